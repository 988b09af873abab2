"""What registries.conf says, as values, and the two questions that it answers (containers-registries.conf(5)).

    which images may a short name mean?          `app:1` ──▶ quay.example/team/app:1          an alias
                                                         ──▶ reg-1.example/app:1, reg-2…      else the search registries, in turn
    where is an image really?                    reg.example/team/app:1
        prefix = "reg.example/team"                      ──▶ mirror.local/copies/app:1        its mirrors, in turn
        location = "store.local/team-images"             ──▶ store.local/team-images/app:1    then its location

The name under which an image is kept is always the one that was asked for, never a mirror's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from podlink.engine.errors import InvalidRequest, RegistryFailed
from podlink.engine.oci import reference
from podlink.engine.oci.reference import DEFAULT_REGISTRY, Reference

PullFrom = Literal["all", "digest-only", "tag-only"]


@dataclass(frozen=True, slots=True)
class Location:
    """Where to fetch from. name: `host[:port]/path`, and perhaps a tag or digest."""

    name: str
    insecure: bool = False

    @property
    def registry(self) -> str:
        return self.name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Mirror:
    """Another place for the images under a prefix. used_for: which references are looked for there."""

    location: str
    insecure: bool = False
    used_for: PullFrom = "all"

    def serves(self, by_digest: bool) -> bool:
        return self.used_for == "all" or (self.used_for == "digest-only") == by_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One [[registry]] table. prefix: of the names it is for, or `*.host`. location: what stands in the prefix's place; empty for
    the name as it is."""

    prefix: str
    location: str = ""
    insecure: bool = False
    blocked: bool = False
    mirrors: tuple[Mirror, ...] = ()

    def unverified(self) -> "Rule":
        """The same, but whoever answers is trusted."""
        return replace(self, insecure=True, mirrors=tuple(replace(mirror, insecure=True) for mirror in self.mirrors))

    def matched(self, name: str) -> int:
        """How many characters of the name are the prefix; 0 for a name that the rule is not for."""
        if self.prefix.startswith("*."):
            host = name.partition("/")[0]
            bare = host if host.endswith("]") else host.partition(":")[0] if "[" not in host else host.rpartition(":")[0]
            return len(bare) if bare.endswith(self.prefix[1:]) and bare != self.prefix[1:] else 0
        return len(self.prefix) if name.startswith(self.prefix) and name[len(self.prefix) :][:1] in ("", "/", ":", "@") else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Registries:
    """search: registries for short names, in turn. aliases: short name to full name, both without a tag.

    helpers: credential helpers to ask for any registry, in turn. mode: what to do with a short name that may mean several images.
    insecure_by_default: whether a registry that no rule is for is spoken to without verification.
    """

    search: tuple[str, ...] = (DEFAULT_REGISTRY,)
    rules: tuple[Rule, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    helpers: tuple[str, ...] = ()
    mode: Literal["", "enforcing", "permissive", "disabled"] = ""
    insecure_by_default: bool = False

    def names(self, text: str) -> list[str]:
        """The full names that a name may mean, the likeliest first. Raises InvalidRequest."""
        given = reference.parse(text)
        if given.registry:
            return [reference.normalize(text)]
        if alias := self.aliases.get(given.path):
            full = reference.parse(alias)
            return [reference.normalize(str(replace(full, tag=given.tag, digest=given.digest)))]
        if not self.search:
            raise InvalidRequest(f"image name {text!r}: it names no registry, and registries.conf has none to search")
        if self.mode == "enforcing" and len(self.search) > 1:
            raise InvalidRequest(
                f"image name {text!r}: it names no registry, registries.conf has several, and short-name-mode is enforcing; "
                f"give the full name, such as {self.search[0]}/{text}"
            )
        return list(dict.fromkeys(reference.normalize(f"{registry}/{given}") for registry in self.search))

    def unverified(self) -> "Registries":
        """The same, but every registry that answers is trusted."""
        return replace(self, rules=tuple(rule.unverified() for rule in self.rules), insecure_by_default=True)

    def rule(self, name: str) -> Rule | None:
        """The table with the longest prefix of a full name, or of a registry's own name."""
        fitting = [rule for rule in self.rules if rule.matched(name)]
        return max(fitting, key=lambda rule: (len(rule.prefix), rule.matched(name)), default=None)

    def require_allowed(self, name: str) -> Rule:
        """The rule for a name; one that says nothing where none is written. Raises RegistryFailed for what is blocked."""
        rule = self.rule(name) or Rule(prefix=name.partition("/")[0], insecure=self.insecure_by_default)
        if rule.blocked:
            raise RegistryFailed(f"registry {rule.prefix} is blocked in registries.conf; {name} was not asked for")
        return rule

    def locations(self, name: str) -> list[Location]:
        """Where to look for an image with this full name, in turn. Raises RegistryFailed for what is blocked."""
        rule = self.require_allowed(name)
        rest = name[rule.matched(name) :]
        by_digest = reference.parse(name).digest is not None
        found = [Location(mirror.location + rest, mirror.insecure) for mirror in rule.mirrors if mirror.serves(by_digest)]
        return [*found, Location(rule.location + rest if rule.location else name, rule.insecure)]

    def insecure(self) -> list[str]:
        """The prefixes that are spoken to without verification."""
        return [rule.prefix for rule in self.rules if rule.insecure]


def parts(location: Location) -> Reference:
    """A location's name, parsed. Raises InvalidRequest: a configuration may put together what is no name."""
    found = reference.parse(location.name)
    if not found.registry:
        raise InvalidRequest(f"registries.conf: the location {location.name!r} names no registry")
    return found
