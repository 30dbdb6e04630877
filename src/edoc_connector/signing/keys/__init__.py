"""Private keys in files and on tokens, and the signers over them."""

from .keyring import Keyring, KeyStatus, close_signer, key_status, select_signer
from .load import load_signer
from .uri import KeyUri

__all__ = [
    "KeyStatus",
    "KeyUri",
    "Keyring",
    "close_signer",
    "key_status",
    "load_signer",
    "select_signer",
]
