"""Cache of packets verified a moment ago, so that handing them out does not verify them again."""

from __future__ import annotations

from collections import OrderedDict

from .._core import make_lock
from ..edxml import Packet
from ..signing import Verification

_MAX_PACKETS = 64  # packets
_MAX_PACKET_BYTES = 1 << 20  # bytes; what is in memory of a packet grows with it, and a large one takes its time anyway


class VerifiedCache:
    """A few packets as they were verified when they came in, by their name in the spool. Safe to share between threads.

    Each is given out once. A packet's bytes have to be compared with their hash again before this is believed.
    """

    def __init__(self) -> None:
        self._lock = make_lock()
        self._packets: OrderedDict[str, tuple[Packet, Verification]] = OrderedDict()

    def put(self, name: str, packet: Packet, verification: Verification) -> None:
        """Keep a packet, in the place of the oldest where there are many."""
        if packet.size > _MAX_PACKET_BYTES:
            return
        with self._lock:
            self._packets[name] = packet, verification
            while len(self._packets) > _MAX_PACKETS:
                self._packets.popitem(last=False)

    def pop(self, name: str) -> tuple[Packet, Verification] | None:
        """Take the packet of a name out, if it is here."""
        with self._lock:
            return self._packets.pop(name, None)
