"""The definitions of the interfaces that are served, as text."""
