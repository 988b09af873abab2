"""The programs that run in an emulated container: a shell and the everyday commands, in the manner of busybox.

    words.py        text -> tokens           syntax.py       what a script is made of: plain values
    parser.py       tokens -> syntax         expansion.py    words -> fields; arithmetic.py, patterns.py
    shell.py        syntax -> what happens   builtins.py     the commands that are part of the shell
    state.py        what a shell knows       variables.py    those that set it
    children.py     subshells and pipelines  redirect.py     a command's descriptors
    control.py      break, return, errors    sh.py           sh(1): a shell's command line
    aliases.py      alias and unalias        ulimit.py       what a process may use

    input.py        lines typed or piped     interactive.py  prompts; jobs.py: what is in front, and what behind

    archives.py attributes.py blocks.py calling.py conditions.py digests.py dumping.py expr.py files.py filters.py finding.py
    grep.py installing.py lines.py paths.py permissions.py printing.py reaching.py sed.py sed_script.py space.py system.py
    terminals.py texts.py
                                             the others, a function each; expressions.py: what some of them look for
    awk/            awk(1), with a language of its own
    command.py      what each of these needs table.py        all of them by name

A command is a `Program` (see `process.py`): it takes its process and answers with the exit code. Names, messages and exit
codes are busybox's, so that a test says the same here and on a real host.
"""
