"""The keys of one job's link: made for it, and forgotten with it."""

from __future__ import annotations

from typing import NamedTuple


class Keys(NamedTuple):
    """Two CURVE key pairs as Z85 text, 40 characters each; all observers of the job share the client's."""

    server_public: str
    server_secret: str
    """Leaves the head's memory never: whoever has it can pretend to be the head."""
    client_public: str
    client_secret: str

    def __repr__(self) -> str:
        """Return what may stand in a log."""
        return f"Keys(server_public={self.server_public!r}, client_public={self.client_public!r})"


def make_keys() -> Keys:
    """Return new keys, of libsodium's random numbers."""
    import zmq

    pairs = (zmq.curve_keypair(), zmq.curve_keypair())
    return Keys(*(key.decode("ascii") for pair in pairs for key in pair))
