"""The kernel's interfaces, a module each, in the kernel's own words.

Knows nothing of containers; every layer above may call it.
"""
