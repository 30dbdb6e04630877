"""The strict writer of packets."""

from .write import EnvelopedSigner, SealMaker, refuse, write

__all__ = [
    "EnvelopedSigner",
    "SealMaker",
    "refuse",
    "write",
]
