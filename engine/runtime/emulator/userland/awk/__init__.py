"""awk(1), as POSIX has it (XCU, awk) and busybox's further functions.

    words.py        program text to words; where a `/` begins an expression and where it divides
    parser.py       words to a program: a method for each rule of the grammar
    expressions.py  what has a value, each with how it is found
    statements.py   what is done, each with how
    functions.py    length, substr, split, gsub …
    values.py       numbers, texts, and what comes in as text and may be a number
    record.py       $0 and its fields
    streams.py      the files and commands that a program reads from and writes to
    machine.py      a program while it runs: variables, frames, rules
    command.py      the command line

Texts are bytes, a character each (Latin-1 both ways), since busybox counts bytes.
"""
