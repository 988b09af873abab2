"""What containers write: the log's records and lines, for the monitor, the emulator and the engine. It knows of none of them."""
