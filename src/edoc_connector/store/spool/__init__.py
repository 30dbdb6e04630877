"""The spool: the bytes of packets as files, encrypted or plain."""

from .encrypted_file import Altered, EncryptedFile, SpoolKey, SpoolKeys, compute_sha256
from .spool import (
    ENCRYPTED_SUFFIX,
    ORPHANS_FOLDER,
    PacketFile,
    Spool,
    SpoolFile,
    compute_owner_tag,
    list_packet_places,
    parse_owner_tag,
)

__all__ = [
    "ENCRYPTED_SUFFIX",
    "ORPHANS_FOLDER",
    "Altered",
    "EncryptedFile",
    "PacketFile",
    "Spool",
    "SpoolFile",
    "SpoolKey",
    "SpoolKeys",
    "compute_owner_tag",
    "compute_sha256",
    "list_packet_places",
    "parse_owner_tag",
]
