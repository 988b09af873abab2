"""The container engine, as a library.

`app.py` opens one, `handles.py` is its object API; the layers below them are drawn in ARCHITECTURE.md.
"""
