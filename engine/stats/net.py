"""What went through a network namespace: /proc/PID/net/dev, proc_pid_net(5).

    Inter-|   Receive                                                |  Transmit
     face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets …
        lo:    3193      29    0    0    0     0          0         0     3193      29 …
      eth0: 83151918    2257 …

A container with the host's network has no figures of its own: ask only for one that has a namespace.
"""


def totals(text: str) -> tuple[int, int]:
    """Bytes received and sent over every interface but loopback."""
    received = sent = 0
    for line in text.splitlines():
        name, colon, figures = line.rpartition(":")  # an alias has a colon in its name: eth0:1
        columns = figures.split()
        if colon and name.strip() != "lo" and len(columns) >= 9:
            received += int(columns[0])
            sent += int(columns[8])
    return received, sent
