"""The engine's running commentary: each change that it makes to the host, as the shell command that would do the same.

    $ podlink serve --verbose unix:/tmp/p.sock
    # mount -t overlay overlay -o lowerdir=…,upperdir=…,workdir=… /var/lib/podlink/overlay/…/merged
    # runc --root /run/podlink/14218cb1/runc run -d --bundle … 4f1d…

It is the trace, the debug log and the tutorial in one.
"""

import logging
import shlex

log = logging.getLogger("podlink.trace")


def ran(*words: object) -> None:
    """Tell of one change to the host, in the words of a shell."""
    if log.isEnabledFor(logging.INFO):
        log.info("# %s", shlex.join(str(word) for word in words))
