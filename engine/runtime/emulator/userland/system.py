"""Commands that ask or change what is around them.

date env false groups hostname id kill nproc printenv ps setsid sleep true uname usleep whoami
"""

import re
import time

from podlink.engine.linux.signals import WORDS
from podlink.engine.runtime.emulator import machine, programs, signals, users
from podlink.engine.runtime.emulator.process import Process
from podlink.engine.runtime.emulator.userland.command import Options, complain, count, options, reason, refused

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
ZONE = "UTC"
KERNEL = {"s": "Linux", "n": "", "r": machine.KERNEL, "v": "#1 SMP podlink", "m": "x86_64", "o": "GNU/Linux"}
"""What uname(1) tells of the emulated host, less its name."""


def true(process: Process) -> int:
    return 0


def false(process: Process) -> int:
    return 1


def sleep(process: Process) -> int:
    """For the sum of what is said: `sleep 1m 2.5`."""
    words = process.argv[1:]
    if not words:
        process.write(2, "Usage: sleep [N]...\n")
        return 1
    seconds = 0.0
    for word in words:
        if word in ("inf", "infinity"):
            seconds = float("inf")
        elif match := re.fullmatch(r"(\d+\.?\d*|\.\d+)([smhd]?)", word):
            seconds += float(match[1]) * UNITS[match[2]]
        else:
            return complain(process, f"invalid number '{word}'")
    process.sleep(seconds)
    return 0


def date(process: Process) -> int:
    """date [-u] [-d @SECONDS] [+FORMAT]; the time zone is UTC."""
    found, words = options(process, "u", "d")
    seconds = process.run.clock.now() / 1e9
    if "d" in found:
        if not re.fullmatch(r"@-?\d+", found["d"]):
            return complain(process, f"invalid date '{found['d']}'")
        seconds = float(found["d"][1:])
    form = "%a %b %e %H:%M:%S %Z %Y"
    for word in words:
        if not word.startswith("+"):
            return complain(process, f"invalid date '{word}'")
        form = word[1:]
    moment = time.gmtime(seconds)
    fixed = {"%N": f"{int(seconds % 1 * 1e9):09}", "%Z": ZONE, "%z": "+0000", "%s": str(int(seconds))}
    text = re.sub(r"%.", lambda match: fixed.get(match[0]) or time.strftime(match[0], moment), form)
    process.write(1, text + "\n")
    return 0


def env(process: Process) -> int:
    """env [-i] [-u NAME] [NAME=VALUE]… [COMMAND [ARGUMENT]…]"""
    variables, words = dict(process.env), process.argv[1:]
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word in ("-i", "-"):
            variables = {}
        elif word.startswith("-u") and (word[2:] or words):
            variables.pop(word[2:] or words.pop(0), None)
        else:
            return complain(process, f"invalid option -- '{word[1:2]}'")
    while words and "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        variables[name] = value
    if not words:
        process.write(1, "".join(f"{name}={value}\n" for name, value in variables.items()))
        return 0
    return become(process, words, variables)


def become(process: Process, argv: list[str], variables: dict[str, str], words: str = "can't execute '{}'") -> int:
    """Take the name along the PATH and turn into that program; 127 where there is none, 126 where it can't be run.

    words: how that is told, with `{}` for the name.
    """
    what = words.format(argv[0])
    known, path = process.run.programs, variables.get("PATH", process.env.get("PATH", ""))
    try:
        found = programs.find(known, process.tree, process.directory, argv[0], path)
        loaded = programs.load(known, process.tree, found, argv)
    except programs.Missing as missing:
        denied = str(missing).endswith("permission denied")
        complain(process, f"{what}: {'Permission denied' if denied else 'No such file or directory'}")
        return 126 if denied else 127
    except OSError as error:
        refused(process, what, error)
        return 126
    return process.execute(loaded.program, loaded.argv, variables)


def hostname(process: Process) -> int:
    """hostname [-s] [-i]; -i: its addresses, as /etc/hosts has them, which is where a container's own is."""
    found, words = options(process, "sfid")
    if words:
        return complain(process, "sethostname: Operation not permitted")
    name = process.run.hostname
    if "i" in found:
        addresses = process.call(lambda: users.addresses_of(process.tree, name))
        if not addresses:
            return complain(process, f"{name}: Unknown host")
        process.write(1, " ".join(addresses) + "\n")
        return 0
    process.write(1, (name.partition(".")[0] if "s" in found else name) + "\n")
    return 0


def uname(process: Process) -> int:
    found, _ = options(process, "amnrspvio")
    known = {**KERNEL, "n": process.run.hostname}
    letters = "snrvmo" if "a" in found else [letter for letter in "snrvmo" if letter in found] or ["s"]
    process.write(1, " ".join(known[letter] for letter in letters) + "\n")
    return 0


def whoami(process: Process) -> int:
    name = process.call(lambda: users.user_name(process.tree, process.run.uid))
    if name is None:
        return complain(process, f"unknown uid {process.run.uid}")
    process.write(1, name + "\n")
    return 0


def id(process: Process) -> int:
    """id [-u|-g|-G] [-n] [USER]"""
    found, words = options(process, "ugnGr")
    run = process.run
    uid, gid, groups = run.uid, run.gid, sorted(run.groups)
    if words:
        row = next((row for row in users.users(process.tree) if row[0] == words[0]), None)
        if row is None:
            return complain(process, f"unknown user {words[0]}")
        uid, gid = int(row[2]), int(row[3])
        member = {int(each[2]) for each in users.groups(process.tree) if words[0] in each[3].split(",")}
        groups = [gid, *sorted(member - {gid})]
    process.write(1, _identity(process, found, uid, gid, groups) + "\n")
    return 0


def _identity(process: Process, found: Options, uid: int, gid: int, groups: list[int]) -> str:
    tree = process.tree

    def shown(number: int, name: str | None) -> str:
        return name or str(number) if "n" in found else str(number)

    if "u" in found:
        return shown(uid, users.user_name(tree, uid))
    if "g" in found:
        return shown(gid, users.group_name(tree, gid))
    if "G" in found:
        return " ".join(shown(each, users.group_name(tree, each)) for each in dict.fromkeys([gid, *groups]))
    listed = ",".join(_named(each, users.group_name(tree, each)) for each in groups)
    whole = f"uid={_named(uid, users.user_name(tree, uid))} gid={_named(gid, users.group_name(tree, gid))}"
    return f"{whole} groups={listed}" if listed else whole


def _named(number: int, name: str | None) -> str:
    return f"{number}({name})" if name else str(number)


def groups(process: Process) -> int:
    """groups [USER]"""
    process.argv = ["groups", "-Gn", *process.argv[1:2]]
    return id(process)


def nproc(process: Process) -> int:
    process.write(1, f"{machine.CPUS}\n")
    return 0


def usleep(process: Process) -> int:
    """usleep MICROSECONDS"""
    process.sleep(count(process, (process.argv[1:] or ["0"])[0]) / 1e6)
    return 0


def setsid(process: Process) -> int:
    """setsid COMMAND [ARGUMENT]…: in a group of its own."""
    words = process.argv[1:]
    if not words:
        process.write(2, "Usage: setsid [-c] PROG ARGS\n")
        return 1
    child = process.fork(lambda child: become(child, words, process.env, "{}"), process.argv, group=0)
    return process.wait(child).status


def printenv(process: Process) -> int:
    """printenv [NAME]…; 1 where one is not set."""
    names = process.argv[1:]
    shown = (
        [process.env[name] for name in names if name in process.env] if names else [f"{n}={v}" for n, v in process.env.items()]
    )
    process.write(1, "".join(f"{each}\n" for each in shown))
    return int(len(shown) < len(names))


def kill(process: Process) -> int:
    """kill [-s NAME|-NAME|-NUMBER] PID…; `kill -l` names the signals."""
    words, number = process.argv[1:], signals.TERM
    if words[:1] == ["-l"]:
        return _list_signals(process, words[1:])
    if words and words[0].startswith("-") and words[0] != "--":
        word = words.pop(0)[1:]
        word = words.pop(0) if word == "s" and words else word
        found = signals.number_of(word)
        if found is None:
            return complain(process, f"bad signal name '{word}'")
        number = found
    words = words[1:] if words[:1] == ["--"] else words
    if not words:
        return complain(process, "you need to specify whom to kill")
    status = 0
    for word in words:
        if not re.fullmatch(r"-?\d+", word):
            status = complain(process, f"invalid number '{word}'")
            continue
        try:
            process.kill(int(word), number)
        except OSError as error:
            status = complain(process, f"can't kill pid {word}: {reason(error)}")
    return status


def _list_signals(process: Process, words: list[str]) -> int:
    if not words:
        process.write(1, "".join(f"{number:2}) {name}\n" for number, name in enumerate(WORDS, start=1)))
        return 0
    for word in words:
        if word.isdecimal():
            process.write(1, signals.name_of(int(word) & 0x7F) + "\n")
        elif (number := signals.number_of(word)) is not None:
            process.write(1, f"{number}\n")
        else:
            return complain(process, f"bad signal name '{word}'")
    return 0


def ps(process: Process) -> int:
    """Every process of the container, as busybox lists them; its options are taken and change nothing, as in its small build."""
    user = users.user_name(process.tree, process.run.uid) or str(process.run.uid)

    def rows() -> list[str]:
        return [f"{each.pid:5} {user:8} {' '.join(each.argv)}\n" for each in sorted(process.run.processes.values(), key=_pid)]

    process.write(1, "PID   USER     COMMAND\n" + "".join(process.call(rows)))
    return 0


def _pid(process: Process) -> int:
    return process.pid
