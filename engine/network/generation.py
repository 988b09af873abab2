"""The generation of nftables' rules: a number that the kernel raises with each change, whoever makes it.

Asked for by nfnetlink in a tenth of a millisecond, where listing what there is takes a process: rules that were whole in a
generation are whole for as long as it lasts. linux/netfilter/nf_tables.h, NFT_MSG_GETGEN.
"""

import socket
import struct

NETLINK_NETFILTER = 12
NLM_F_REQUEST = 0x1
NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWGEN, NFT_MSG_GETGEN = 10, 15, 16
HEADER = struct.Struct("=IHHII")
"""struct nlmsghdr: length, type, flags, sequence number, port."""
BODY = struct.Struct("=BBH")
"""struct nfgenmsg: family, version, resource."""
NUMBER = struct.Struct(">4xI")
"""An attribute's length and type, and NFTA_GEN_ID."""


def generation() -> int:
    """That of this thread's network namespace; 0 where the kernel doesn't tell."""
    kind = NFNL_SUBSYS_NFTABLES << 8
    question = HEADER.pack(HEADER.size + BODY.size, kind | NFT_MSG_GETGEN, NLM_F_REQUEST, 1, 0) + BODY.pack(0, 0, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as kernel:
            kernel.send(question)
            answer = kernel.recv(8192)
    except OSError:
        return 0
    if HEADER.unpack_from(answer)[1] != kind | NFT_MSG_NEWGEN:
        return 0
    return int(NUMBER.unpack_from(answer, HEADER.size + BODY.size)[0])
