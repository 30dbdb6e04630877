"""The strict writer of packets."""

from .add_attachments import add_attachments
from .form import PacketForm
from .write import EnvelopedSigner, SealMaker, complete, refuse, write, write_to_memory

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
