"""registries.conf and its drop-ins, read (containers-registries.conf(5), containers-registries.conf.d(5)).

    $CONTAINERS_REGISTRIES_CONF                       stands alone, but for FILE.d/ beside it and the user's drop-ins
    ~/.config/containers/registries.conf              else the user's, with registries.conf.d/ beside it
    /etc/containers/registries.conf                   else the system's, with its registries.conf.d/, then the user's drop-ins

The system's drop-ins are left out where the environment names a file: a distribution's aliases for short names would
otherwise go before the registries which that file was written to have searched.

Of two files the later one wins: for the search list as a whole, for a [[registry]] table by its prefix, for an alias by its name.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, cast

from podlink.engine.errors import InvalidRequest
from podlink.engine.images.registries.configuration import Mirror, PullFrom, Registries, Rule
from podlink.engine.images.registries.surroundings import Surroundings

NAME = "registries.conf"
LIMIT = 4 * 1024 * 1024
WILDCARD = re.compile(r"\*\.[^*/:@]+/?")
MODES = ("", "enforcing", "permissive", "disabled")
USED_FOR = ("all", "digest-only", "tag-only")
AUTH_FILES = "containers-auth.json"
"""In the list of credential helpers: the files themselves."""


def load(surroundings: Surroundings | None = None) -> Registries:
    """What all files together say. Raises InvalidRequest, naming the file, for one that can't be understood."""
    found = surroundings or Surroundings()
    rules: dict[str, Rule] = {}
    aliases: dict[str, str] = {}
    settled: dict[str, Any] = {}
    for path in files(found):
        table = Table(path, _toml(path))
        settled |= table.settings()
        rules |= {rule.prefix: rule for rule in table.rules()}
        aliases |= table.aliases()
    return Registries(rules=tuple(rules.values()), aliases={name: full for name, full in aliases.items() if full}, **settled)


def files(surroundings: Surroundings) -> list[Path]:
    """The files that count, in the order in which they are read."""
    named = surroundings.variable("CONTAINERS_REGISTRIES_CONF")
    users, systems = surroundings.settings / "containers", surroundings.etc / "containers"
    if named:
        return [named, *_drop_ins(named.with_name(f"{named.name}.d")), *_drop_ins(users / f"{NAME}.d")]
    if (users / NAME).exists():
        return [users / NAME, *_drop_ins(users / f"{NAME}.d")]
    system = [systems / NAME] if (systems / NAME).exists() else []
    return [*system, *_drop_ins(systems / f"{NAME}.d"), *_drop_ins(users / f"{NAME}.d")]


def _drop_ins(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.conf") if path.is_file())


def _toml(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT + 1)
        if len(content) > LIMIT:
            raise InvalidRequest(f"{path}: it has more than {LIMIT} bytes")
        return tomllib.loads(content.decode("utf-8"))
    except OSError as trouble:
        raise InvalidRequest(f"{path}: {(trouble.strerror or str(trouble)).lower()}") from None
    except (ValueError, RecursionError) as trouble:
        raise InvalidRequest(f"{path}: it is not TOML: {trouble}") from None


class Table:
    """One file's content. It is of version 2, or of version 1 if it has a table `registries`; never of both."""

    def __init__(self, path: Path, fields: Mapping[str, Any]) -> None:
        self._path = path
        self._fields = fields
        if "registries" in fields and {"registry", "unqualified-search-registries"} & fields.keys():
            self._refuse("registries", "one version of the format; [registries.…] is version 1, [[registry]] version 2")

    def settings(self) -> dict[str, Any]:
        """The settings that the file makes, as fields of `Registries`."""
        found: dict[str, Any] = {}
        if "registries" in self._fields:
            search = self._version_1("search")
            found = {"search": tuple(search)} if search else {}
        if "unqualified-search-registries" in self._fields:
            found["search"] = tuple(self._locations(self._fields, "unqualified-search-registries"))
        if "credential-helpers" in self._fields:
            helpers = self._texts(self._fields, "credential-helpers")
            found["helpers"] = tuple(name for name in helpers if name != AUTH_FILES)
        if "short-name-mode" in self._fields:
            found["mode"] = self._one_of(self._fields, "short-name-mode", MODES)
        return found

    def rules(self) -> list[Rule]:
        """The [[registry]] tables; of version 1 the lists of what is insecure and what is blocked."""
        if "registries" in self._fields:
            insecure, blocked = self._version_1("insecure"), self._version_1("block")
            return [
                Rule(prefix=each, insecure=each in insecure, blocked=each in blocked)
                for each in dict.fromkeys(insecure + blocked)
            ]
        return [self._rule(table) for table in self._tables(self._fields, "registry")]

    def aliases(self) -> dict[str, str]:
        """Short names; an empty full name takes an earlier file's alias back."""
        table = self._fields.get("aliases", {})
        if not isinstance(table, dict):
            self._refuse("aliases", "a table")
        return {name: self._text(table, name) for name in table}

    def _rule(self, table: Mapping[str, Any]) -> Rule:
        location = self._location(self._text(table, "location"), "location")
        prefix = self._text(table, "prefix")
        if "*" in prefix and not WILDCARD.fullmatch(prefix):
            self._refuse("prefix", f"a wildcard before a host alone, as *.example.org, and not {prefix[:80]!r},")
        if prefix.startswith("*."):
            prefix = "*." + self._location(prefix[2:], "prefix")
        else:
            prefix = self._location(prefix, "prefix") or location
        if not prefix:
            self._refuse("registry", "a prefix or a location in each [[registry]]")
        by_digest = self._flag(table, "mirror-by-digest-only")
        return Rule(
            prefix=prefix,
            location=location,
            insecure=self._flag(table, "insecure"),
            blocked=self._flag(table, "blocked"),
            mirrors=tuple(self._mirror(each, by_digest) for each in self._tables(table, "mirror")),
        )

    def _mirror(self, table: Mapping[str, Any], by_digest: bool) -> Mirror:
        location = self._location(self._text(table, "location"), "location")
        if not location:
            self._refuse("mirror", "a location in each [[registry.mirror]]")
        used_for = self._one_of(table, "pull-from-mirror", ("", *USED_FOR)) or ("digest-only" if by_digest else "all")
        return Mirror(location, self._flag(table, "insecure"), cast(PullFrom, used_for))

    def _version_1(self, name: str) -> list[str]:
        registries = self._fields["registries"]
        table = registries.get(name, {}) if isinstance(registries, dict) else None
        if not isinstance(table, dict):
            self._refuse(f"registries.{name}", "a table")
        return self._locations(table, "registries")

    def _locations(self, table: Mapping[str, Any], name: str) -> list[str]:
        return [self._location(text, name) for text in self._texts(table, name)]

    def _location(self, text: str, name: str) -> str:
        """A `host[:port][/path]` without what people put around it."""
        if "://" in text:
            self._refuse(name, f"a host and perhaps a path, not a URL such as {text!r}")
        return text.rstrip("/")

    def _tables(self, table: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
        found = table.get(name, [])
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            self._refuse(name, f"tables, written [[{name}]]")
        return found

    def _texts(self, table: Mapping[str, Any], name: str) -> list[str]:
        found = table.get(name, [])
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            self._refuse(name, "a list of strings")
        return found

    def _text(self, table: Mapping[str, Any], name: str) -> str:
        found = table.get(name, "")
        return found if isinstance(found, str) else self._refuse(name, "a string")

    def _flag(self, table: Mapping[str, Any], name: str) -> bool:
        found = table.get(name, False)
        return found if isinstance(found, bool) else self._refuse(name, "true or false")

    def _one_of(self, table: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> str:
        found = self._text(table, name)
        return found if found in allowed else self._refuse(name, f"one of {', '.join(each for each in allowed if each)}")

    def _refuse(self, name: str, wanted: str) -> NoReturn:
        raise InvalidRequest(f"{self._path}: {name}: {wanted} is wanted")
