"""Signatures and seals of packets: making and verifying them."""

from .c14n import canonicalise
from .check_signature import check_claimed_time
from .result import Difference, Verification
from .seal import enveloped, read_seal, seal_maker
from .verify import verify
from .xml_libraries import LIBRARY_CURE, find_library_problem

__all__ = [
    "LIBRARY_CURE",
    "Difference",
    "Verification",
    "canonicalise",
    "check_claimed_time",
    "enveloped",
    "find_library_problem",
    "read_seal",
    "seal_maker",
    "verify",
]
