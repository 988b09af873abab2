"""What tests of the engine share: the contract suites that hold each kind of part to one behaviour, and failures on demand."""
