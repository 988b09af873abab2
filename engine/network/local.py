"""The network modes that need nothing built on the host."""

from podlink.engine.errors import NotHonoured
from podlink.engine.network.driver import Attachment

PRIVATE = ("private", "none")
"""A namespace of the container's own; the OCI runtime brings its loopback up."""


class LocalNetwork:
    """`none` and `private` get a fresh namespace with loopback, `host` shares the host's."""

    def attach(self, container: str, mode: str) -> Attachment:
        if mode in PRIVATE:
            return Attachment("private")
        if mode == "host":
            return Attachment("host")
        raise NotHonoured("net_mode", f"{mode!r} is not built yet; none, host, or nothing for a private network with loopback")

    def detach(self, container: str) -> None:
        """Nothing was made: a namespace without a name ends with its last process."""
