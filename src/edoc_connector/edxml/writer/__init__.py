"""The strict writer of packets."""

from .add_attachments import add_attachments
from .write import EnvelopedSigner, PacketForm, SealMaker, complete, refuse, write, write_to_memory

__all__ = [
    "EnvelopedSigner",
    "PacketForm",
    "SealMaker",
    "add_attachments",
    "complete",
    "refuse",
    "write",
    "write_to_memory",
]
