"""The network of a container: a namespace of its own, a pair of virtual Ethernet devices, a bridge, and rules of nftables.

      container's namespace            the host's namespace
    ┌───────────────────────┐   veth   ┌──────────────────────────────────────────────┐
    │ eth0 10.88.0.2/16 ────┼──────────┼─ pl4f1d… ──┐                                 │
    └───────────────────────┘          │            ├─ podlink0 10.88.0.1/16 ─ rules ─┼─ uplink ──▶ outside
    ┌───────────────────────┐          │            │   (route, masquerade, DNAT)     │
    │ eth0 10.88.0.3/16 ────┼──────────┼─ pl77aa… ──┘                                 │
    └───────────────────────┘          └──────────────────────────────────────────────┘

`driver.py` is what the engine asks, `wires.py` answers; `kernel.py` builds with rtnetlink (`links.py`, by `netlink.py`) and nft
(`rules.py`), has the kernel forget old connections (`conntrack.py`) and sees what differs from the books (`doctor.py`, and
`generation.py`: whether anybody changed a rule). `ports.py` reads what is to be published, `holding.py` keeps it from others;
`ranges.py` has the addresses, `settings.py` the kernel's switches; `configured.py` looks at what a configuration says.
`emulated.py` only pretends. By hand: `nft list table inet podlink`, `ip link show master podlink0`.
"""
