"""The filter on a real kernel: a Python inside calls what a shell can't."""

import json
import platform
from pathlib import Path

import pytest
from jail import Jail

pytestmark = [
    pytest.mark.needs("root", "runc", "overlay"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="calls by the numbers of x86_64"),
]

PROBE = """
import ctypes, errno, json, os, signal, socket, subprocess, threading
libc = ctypes.CDLL(None, use_errno=True)

def call(number, *arguments):
    answer = libc.syscall(ctypes.c_long(number), *(ctypes.c_ulong(each) for each in arguments))
    if answer == 0 and number == 56:
        os._exit(0)
    return "fine" if answer >= 0 else errno.errorcode[ctypes.get_errno()]

thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
print(json.dumps({
    "child": subprocess.run(["/bin/true"]).returncode,
    "clone plain": call(56, signal.SIGCHLD, 0, 0, 0, 0),
    "clone user": call(56, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0),
    "clone net and mount": call(56, 0x40020000 | signal.SIGCHLD, 0, 0, 0, 0),
    "clone3": call(435, 0, 0),
    "io_uring_setup": call(425, 1, 0),
    "keyctl": call(250, 0, -3 & 0xffffffff, 0),
    "bpf": call(321, 0, 0, 0),
    "kexec_load": call(246, 0, 0, 0, 0),
    "userfaultfd": call(323, 0),
    "of a later kernel": call(1000),
    "personality ask": call(135, 0xffffffff),
    "personality no randomisation": call(135, 0x40000),
    "socket inet": call(41, 2, 1, 0),
    "socket netlink": call(41, 16, 3, 0),
    "socket vsock": call(41, 40, 1, 0),
    "socket vsock past 32 bits": call(41, 2**32 + 40, 1, 0),
    "socket alg": call(41, 38, 5, 0),
}))
"""

PLAIN = {
    "child": 0,
    "clone plain": "fine",
    "clone user": "EPERM",
    "clone net and mount": "EPERM",
    "clone3": "ENOSYS",
    "io_uring_setup": "ENOSYS",
    "keyctl": "EPERM",
    "bpf": "EPERM",
    "kexec_load": "EPERM",
    "userfaultfd": "EPERM",
    "of a later kernel": "ENOSYS",
    "personality ask": "fine",
    "personality no randomisation": "ENOSYS",
    "socket inet": "fine",
    "socket netlink": "fine",
    "socket vsock": "ENOSYS",
    "socket vsock past 32 bits": "ENOSYS",
    "socket alg": "ENOSYS",
}


def test_calls_are_answered_as_the_tables_say(mirror: Jail, python: Path) -> None:
    done = mirror.attempt([str(python), "-I", "-c", PROBE])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == PLAIN


def test_with_the_capability_clone_makes_namespaces(mirror: Jail, python: Path) -> None:
    done = mirror.attempt([str(python), "-I", "-c", PROBE], cap_add=("SYS_ADMIN",))
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert {name: answers[name] for name in ("clone user", "clone net and mount")} == dict.fromkeys(
        ("clone user", "clone net and mount"), "fine"
    )
    assert answers["kexec_load"] == "EPERM"


def test_an_unknown_name_in_the_tables_is_passed_over(mirror: Jail) -> None:
    """The tables hold names of other machines and later kernels: cacheflush is ARM's, open_tree_attr is from 6.15."""
    done = mirror.attempt(["true"])
    assert (done.returncode, done.stderr) == (0, "")
