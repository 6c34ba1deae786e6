"""Which unix socket is connected to which, asked of the kernel (sock_diag(7), `struct unix_diag_req`).

Only sockets of this network namespace are told, which makes all others unknown.
"""

from __future__ import annotations

import socket
import struct

from hangprobe.model import Unreadable

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY = 4, 20
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
UDIAG_SHOW_PEER, UNIX_DIAG_PEER = 0x4, 2
ESTABLISHED = 1
_CONNECTED = {socket.SOCK_STREAM, socket.SOCK_SEQPACKET}


def peers() -> dict[int, int] | Unreadable:
    """Return, for each connected unix stream socket, the inode of its peer."""
    request = struct.pack("<BBHIIIII", socket.AF_UNIX, 0, 0, 0xFFFFFFFF, 0, UDIAG_SHOW_PEER, 0, 0)
    header = struct.pack("<IHHII", 16 + len(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0)
    found: dict[int, int] = {}
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as link:
            link.settimeout(0.5)
            link.send(header + request)
            while True:
                data = link.recv(1 << 18)
                is_last = _messages(data, found)
                if is_last:
                    return found
    except OSError as error:
        return Unreadable("unix sockets", f"sock_diag: {error}")


def _messages(data: bytes, found: dict[int, int]) -> bool:
    """Add the sockets of one datagram; return whether it was the last."""
    at = 0
    while at + 16 <= len(data):
        length, kind, _, _, _ = struct.unpack_from("<IHHII", data, at)
        if kind == NLMSG_ERROR:
            raise OSError("the kernel refuses")
        if kind == NLMSG_DONE or length < 16:
            return True
        _, style, state, _, inode = struct.unpack_from("<BBBBI", data, at + 16)
        peer = _peer(data[at + 32 : at + length])
        if style in _CONNECTED and state == ESTABLISHED and peer:
            found[inode] = peer
        at += (length + 3) & ~3
    return False


def _peer(attributes: bytes) -> int | None:
    at = 0
    while at + 4 <= len(attributes):
        length, kind = struct.unpack_from("<HH", attributes, at)
        if kind == UNIX_DIAG_PEER and length >= 8:
            return int(struct.unpack_from("<I", attributes, at + 4)[0])
        if length < 4:
            break
        at += (length + 3) & ~3
    return None
