"""Identifiers: container IDs, and names for containers that were given none."""

import random
import re
import secrets

ID = re.compile(r"[0-9a-f]{64}")
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")

ADJECTIVES = (
    "agile amber bold brave bright brisk calm candid careful clever curious daring deft eager early earnest easy exact fair "
    "fleet fluent frank free fresh gentle glad golden grand happy hardy honest humble keen kind lively lucid merry mild "
    "modest neat nimble noble open patient placid plain polite proud quick quiet ready robust serene sharp silent sincere "
    "sleek smooth sober solid spry stable steady stoic sunny swift tender tidy trusty upbeat vivid warm wise witty zesty"
).split()
SURNAMES = (
    "allen backus baran bartik bell berners boole booth borg cerf clark cocke codd conway cook corbato cray dahl davies dijkstra "
    "easley engelbart estrin feinler floyd goldberg gosper goto granville gray hamilton hamming hoare holberton hopper "
    "irons iverson johnson kahan kahn kare karp kay kernighan kilburn kleinrock knuth lamport lampson lauer liskov lovelace "
    "mccarthy mccluskey metcalfe meyer milner minsky naur newell nygaard perlis perlman pike postel rabin ritchie roberts "
    "sammet scott shannon simon stallman stearns sutherland tarjan thompson torvalds turing wilkes wirth yao zuse"
).split()


def new_id(source: random.Random | None = None) -> str:
    """A fresh container ID: 64 lower-case hex digits."""
    return f"{source.getrandbits(256):064x}" if source else secrets.token_hex(32)


def new_name(source: random.Random | None = None) -> str:
    """A name such as `quiet_hopper` for a container that was given none."""
    chooser = source or random.SystemRandom()
    return f"{chooser.choice(ADJECTIVES)}_{chooser.choice(SURNAMES)}"
