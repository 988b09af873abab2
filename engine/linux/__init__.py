"""The kernel's interfaces, a module each, in the kernel's own words.

Knows nothing of containers; every layer above may call it. What emulated containers need of a system that is not Linux is in
`portable`, and there alone.
"""
