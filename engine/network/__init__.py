"""The network of a container. `driver.py` is what the engine asks of it, `local.py` the modes that need nothing built."""
