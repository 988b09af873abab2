"""How a script leaves what it is in: a loop, a function, or (by an error) the shell."""

NOT_FOUND, NOT_EXECUTABLE, MISUSE = 127, 126, 2
"""What a shell exits with for a command that is not there, one that can't be run, and a mistake in the script."""


class Leave(Exception):
    """`break` and `continue`: out of so many loops. again: the last of them goes on."""

    def __init__(self, levels: int, again: bool) -> None:
        super().__init__(levels)
        self.levels, self.again = levels, again


class Return(Exception):
    """`return`: out of the function, of a script that was read by `.`, or else of the shell."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class ShellFault(Exception):
    """An error that ends a shell which nobody sits at."""

    def __init__(self, message: str, code: int = MISUSE) -> None:
        super().__init__(message)
        self.code = code


class Abandoned(Exception):
    """SIGINT, to a shell that somebody sits at: back to the prompt."""
