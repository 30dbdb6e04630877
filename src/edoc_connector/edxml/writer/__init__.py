"""The strict writer of packets."""

from .write import EnvelopedSigner, SealMaker, complete, refuse, write

__all__ = [
    "EnvelopedSigner",
    "SealMaker",
    "complete",
    "refuse",
    "write",
]
