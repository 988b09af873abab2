"""The interface io.projectatomic.podman over an engine: a handler for each method, a few lines each.

A handler takes the call and the checked arguments and gives the reply's parameters. What it calls is the engine's; what
it adds is the interface's own spelling of times, sizes and names. `service.service(engine)` puts them together.
"""
