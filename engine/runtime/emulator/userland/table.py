"""Every program of the userland by the name that it is called by. A file of an image stands for the one of its name."""

from contextlib import suppress

from podlink.engine.runtime.emulator.process import Process, Program
from podlink.engine.runtime.emulator.userland import conditions, files, printing, sh, system, texts
from podlink.engine.runtime.emulator.userland.command import complain, name, reason

PROGRAMS: dict[str, Program] = {
    "[": conditions.test,
    "ash": sh.main,
    "bash": sh.main,
    "cat": texts.cat,
    "chmod": files.chmod,
    "cp": files.cp,
    "cut": texts.cut,
    "dash": sh.main,
    "date": system.date,
    "echo": printing.echo,
    "env": system.env,
    "false": system.false,
    "grep": texts.grep,
    "head": texts.head,
    "hostname": system.hostname,
    "id": system.id,
    "kill": system.kill,
    "ln": files.ln,
    "ls": files.ls,
    "mkdir": files.mkdir,
    "mv": files.mv,
    "printf": printing.printf,
    "ps": system.ps,
    "pwd": files.pwd,
    "rm": files.rm,
    "rmdir": files.rmdir,
    "seq": printing.seq,
    "sh": sh.main,
    "sleep": system.sleep,
    "sort": texts.sort,
    "tail": texts.tail,
    "test": conditions.test,
    "touch": files.touch,
    "tr": texts.tr,
    "true": system.true,
    "uname": system.uname,
    "wc": texts.wc,
    "whoami": system.whoami,
    "yes": printing.yes,
}


def busybox(process: Process) -> int:
    """`busybox NAME [ARGUMENT]…`: one of the others."""
    called, words = name(process), process.argv[1:]
    if called != "busybox":  # a link to it by the name of a command that it would have
        words = [called]
    if not words:
        process.write(1, "Currently defined functions:\n\t" + ", ".join(sorted(PROGRAMS)) + "\n")
        return 0
    if words[0] not in PROGRAMS:
        process.write(2, f"{words[0]}: applet not found\n")
        return 127
    process.argv = words
    return PROGRAMS[words[0]](process)


def polite(program: Program) -> Program:
    """The program, which tells of a write that is refused in one line and not with a traceback."""

    def run(process: Process) -> int:
        try:
            return program(process)
        except OSError as error:
            with suppress(OSError):
                complain(process, f"write error: {reason(error)}")
            return 1

    return run


PROGRAMS["busybox"] = busybox
PROGRAMS.update({called: polite(program) for called, program in PROGRAMS.items()})
