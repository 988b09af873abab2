"""The shell: syntax becomes what happens. `sh -c`, scripts, and what a shell within a shell needs.

A subshell, a command in the background, a stage of a pipeline and a command of its own are children of the shell's
process (`Process.fork`); each that runs shell syntax has a `Shell` copied from its parent's. A builtin runs in the shell's
own process. The last command of a `-c` string takes the shell's place instead of becoming a child, as busybox has it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from podlink.engine.runtime.emulator.process import Exited
from podlink.engine.runtime.emulator.userland import builtins, children, conditions, expansion, patterns
from podlink.engine.runtime.emulator.userland.control import MISUSE, Leave, Return, ShellFault
from podlink.engine.runtime.emulator.userland.parser import lines, parse
from podlink.engine.runtime.emulator.userland.redirect import redirected
from podlink.engine.runtime.emulator.userland.state import EXIT, State
from podlink.engine.runtime.emulator.userland.syntax import (
    Case,
    Command,
    For,
    Function,
    Group,
    If,
    Loop,
    Pipeline,
    Redirected,
    Sequence,
    Simple,
    Statement,
    Test,
)
from podlink.engine.runtime.emulator.userland.words import SyntaxFault


class Shell(State):
    """Runs scripts. It is what it knows, and what it does with that."""

    def run(self, text: str, first: int = 0, *, whole: bool = False) -> int:
        """Run a script and answer with its exit code. first: the number of its first line; whole: its last command may take the
        shell's place.
        """
        try:
            for commands, last in lines(text, self.aliases, first):
                self.sequence(commands, last=whole and last)
        except (SyntaxFault, ShellFault) as fault:
            self.complain(str(fault))
            self.status = fault.code if isinstance(fault, ShellFault) else MISUSE
        except (Exited, Return) as left:
            self.status = left.code
        except Leave:
            pass
        return self.finish()

    def finish(self) -> int:
        """The exit trap, once; then the exit code."""
        if command := self.traps.pop(EXIT, ""):
            return self._exit_trap(command)
        return self.status

    def _exit_trap(self, command: str) -> int:
        status = self.status
        try:
            self.sequence(parse(command, self.aliases, self.line))
        except Exited as exited:
            return exited.code
        except (SyntaxFault, ShellFault, Leave, Return) as fault:
            self.complain(str(fault))
        return status

    # Lists

    def sequence(self, body: Sequence, *, last: bool = False) -> None:
        for number, statement in enumerate(body.statements, start=1):
            self.statement(statement, last=last and number == len(body.statements))

    def statement(self, statement: Statement, *, last: bool = False) -> None:
        if statement.background:
            self.background(statement)
            return
        steps = [("", statement.first), *statement.rest]
        for number, (operator, pipeline) in enumerate(steps, start=1):
            if (operator == "&&" and self.status) or (operator == "||" and not self.status):
                continue
            final = number == len(steps)
            with self.testing(not final):
                self.pipeline(pipeline, last=last and final)
            if final and not pipeline.negated:
                self.check()

    def background(self, statement: Statement) -> None:
        foreground = Statement(statement.first, statement.rest)
        files = self.process.files
        child = children.fork(self, lambda shell: shell.statement(foreground, last=True), deaf=True, files={n: n for n in files})
        if self.controls:
            self.controls.add([child], self.text)
        self.job = child
        self.jobs.append(child)
        self.status = 0

    def check(self) -> None:
        """`set -e`, and the signals that came meanwhile."""
        if self.status and self.options["e"] and not self.tested:
            raise Exited(self.status)
        self.run_traps()

    @contextmanager
    def testing(self, on: bool = True) -> Iterator[None]:
        self.tested += on
        try:
            yield
        finally:
            self.tested -= on

    def pipeline(self, pipeline: Pipeline, *, last: bool = False) -> None:
        with self.testing(pipeline.negated):
            if len(pipeline.commands) == 1:
                self.command(pipeline.commands[0], last=last and not pipeline.negated)
            else:
                self.status = children.pipeline(self, pipeline.commands)
        if pipeline.negated:
            self.status = int(not self.status)

    # Commands

    def command(self, command: Command, *, last: bool = False) -> None:
        self.process.checkpoint()
        self.run_traps()
        match command:
            case Simple():
                self.simple(command, last=last)
            case Group(body=body, subshell=True):
                child = children.fork(self, lambda shell: shell.sequence(body, last=True))
                self.status = children.reap(self, child)
            case Group(body=body):
                self.sequence(body, last=last)
            case If():
                self.conditional(command, last=last)
            case Loop():
                self.loop(command)
            case For():
                self.iteration(command)
            case Case():
                self.case(command, last=last)
            case Test(words):
                self.status = conditions.double(self.process, expansion.tested(self, words))
            case Function(name, action):
                self.functions[name] = action
                self.status = 0
            case Redirected(inner, redirections):
                with redirected(self, redirections) as done:
                    if done:
                        self.command(inner)

    def conditional(self, command: If, *, last: bool) -> None:
        for condition, body in command.branches:
            with self.testing():
                self.sequence(condition)
            if self.status == 0:
                self.sequence(body, last=last)
                return
        self.status = 0
        self.sequence(command.otherwise, last=last)

    def loop(self, command: Loop) -> None:
        status = 0

        def step() -> bool:
            nonlocal status
            with self.testing():
                self.sequence(command.condition)
            if (self.status == 0) == command.negated:
                return False
            self.sequence(command.body)
            status = self.status
            return True

        self.repeat(step)
        self.status = status

    def iteration(self, command: For) -> None:
        words = list(self.parameters) if command.words is None else expansion.fields(self, command.words)
        self.status = 0

        def step() -> bool:
            if not words:
                return False
            self.assign(command.name, words.pop(0))
            self.sequence(command.body)
            return True

        self.repeat(step)

    def repeat(self, step: Callable[[], bool]) -> None:
        """Until the step says no, or the script leaves the loop."""
        self.loops += 1
        try:
            again = True
            while again:
                try:
                    again = step()
                except Leave as leave:
                    if leave.levels > 1 and self.loops > 1:
                        raise Leave(leave.levels - 1, leave.again) from None
                    again = leave.again
        finally:
            self.loops -= 1

    def case(self, command: Case, *, last: bool) -> None:
        word = expansion.text(self, command.word)
        self.status = 0
        for alternatives, body in command.branches:
            if any(patterns.fits(expansion.pattern(self, each), word) for each in alternatives):
                self.sequence(body, last=last)
                return

    def simple(self, command: Simple, *, last: bool) -> None:
        status = self.status
        self.status, self.line = 0, command.line
        argv = self.words(command, status)
        values = [(name, expansion.text(self, word)) for name, word in command.assignments]
        if self.options["x"] and (argv or values):
            self.process.write(2, "+ " + " ".join([*(f"{name}={value}" for name, value in values), *argv]) + "\n")
        if not argv:
            with redirected(self, command.redirections):
                for name, value in values:
                    self.assign(name, value)
        elif argv[0] in self.functions:
            with redirected(self, command.redirections) as done, self.overlaid(values):
                if done:
                    self.call(argv)
        elif argv[0] in builtins.BUILTINS:
            self.builtin(command, argv, values, status)
        else:
            self.external(command, argv, values, last=last)

    def words(self, command: Simple, status: int) -> list[str]:
        """The arguments. `$?` in them is still that of the command before."""
        substituted, self.status = self.status, status
        argv = expansion.fields(self, command.words)
        if self.status == status:
            self.status = substituted
        return argv

    def builtin(self, command: Simple, argv: list[str], values: list[tuple[str, str]], before: int) -> None:
        """before: the status that `exit` and `return` without a number mean."""
        lasting = argv[0] in builtins.SPECIAL
        with redirected(self, command.redirections, keep=argv == ["exec"]) as done:
            if not done:
                if lasting and not self.is_interactive:
                    raise Exited(MISUSE)
                return
            with self.overlaid([] if lasting else values):
                for name, value in values if lasting else ():
                    self.assign(name, value)
                self.status = before
                self.perform(argv, lasting)

    def perform(self, argv: list[str], special: bool) -> None:
        """A builtin. An error in a special one ends the shell."""
        try:
            self.status = builtins.BUILTINS[argv[0]](self, argv)
        except ShellFault as fault:
            self.complain(str(fault))
            if special and not self.is_interactive:
                raise Exited(fault.code) from None
            self.status = fault.code

    def call(self, argv: list[str]) -> None:
        parameters, self.parameters = self.parameters, argv[1:]
        loops, self.loops = self.loops, 0
        self.scopes.append({})
        try:
            self.command(self.functions[argv[0]])
        except Return as answer:
            self.status = answer.code
        finally:
            self.parameters, self.loops = parameters, loops
            self.put_back(self.scopes.pop())

    # Programs

    def external(self, command: Simple, argv: list[str], values: list[tuple[str, str]], *, last: bool) -> None:
        env = {**self.environment(), **dict(values)}

        def become(shell: "Shell") -> None:
            shell.status = shell.execute(argv, env)

        child = not last or bool(self.traps)
        with redirected(self, command.redirections, keep=not child) as done:
            if done and child:  # what a signal did to it is told where its own complaints would go
                self.status = children.reap(self, children.fork(self, become), text=" ".join(argv))
            elif done:
                become(self)

    def execute(self, argv: list[str], env: Mapping[str, str]) -> int:
        """Become a program. Answers when it has ended; only its exit code is left to give back."""
        try:
            loaded = children.find(self, argv)
        except ShellFault as fault:
            self.complain(str(fault))
            return fault.code
        return self.process.execute(loaded.program, loaded.argv, env)

    # Signals

    def run_traps(self) -> None:
        """The commands for the signals that came, between two commands of the script."""
        while self.signalled:
            number = self.signalled.pop(0)
            if command := self.traps.get(number):
                status = self.status
                self.sequence(parse(command, self.aliases, self.line))
                self.status = status
