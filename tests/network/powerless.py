"""A process of its own that starts containers, and may be refused each of them. `python powerless.py CONFIG NAME…`

A line for each: the error's name and its words, or `started`.
"""

import sys

from podlink.engine.app import Engine
from podlink.engine.config import Config
from podlink.engine.errors import EngineError

with Engine.open(Config.from_text(sys.argv[1])) as engine:
    for name in sys.argv[2:]:
        try:
            engine.containers.get(name).start()
            print("started")
        except EngineError as refusal:
            print(f"{type(refusal).__name__}: {refusal}")
