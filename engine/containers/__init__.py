"""The verbs over containers, a file each: functions over a `Host` and a name.

`lifecycle.py` has the states and the one way to change them.
"""
