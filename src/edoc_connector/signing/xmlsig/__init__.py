"""Signatures and seals of packets: making and verifying them."""

from .c14n import canonicalise
from .check_signature import check_claimed_time
from .result import Difference, Verification
from .seal import read_seal, seal_maker
from .verify import verify
from .xmldsig import enveloped

__all__ = [
    "Difference",
    "Verification",
    "canonicalise",
    "check_claimed_time",
    "enveloped",
    "read_seal",
    "seal_maker",
    "verify",
]
