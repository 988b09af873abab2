"""What is told of the engine and the machine as a whole."""
