"""The programs that run in an emulated container: a shell and the everyday commands, in the manner of busybox.

    words.py        text -> tokens           syntax.py       what a script is made of: plain values
    parser.py       tokens -> syntax         expansion.py    words -> fields; arithmetic.py, patterns.py
    shell.py        syntax -> what happens   builtins.py     the commands that are part of the shell
    children.py     subshells and pipelines  redirect.py     a command's descriptors
    control.py      break, return, errors    sh.py           sh(1): a shell's command line

    texts.py, files.py, printing.py, conditions.py, system.py    the other commands, a function each
    command.py      what each of these needs table.py        all of them by name

A command is a `Program` (see `process.py`): it takes its process and answers with the exit code. Names, messages and exit
codes are busybox's, so that a test says the same here and on a real host.
"""
