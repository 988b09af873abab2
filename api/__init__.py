"""What faces the outside: the varlink service over the engine, and the command line. The engine never imports this."""
