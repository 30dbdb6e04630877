"""Private keys in files and on tokens, and the signers over them."""

from .join import join_key
from .keyring import Keyring, KeyStatus, close_signer, key_status, select_signer
from .load import load_signer
from .pkcs11 import RequestKey
from .request import (
    build_request,
    build_subject,
    fingerprint_key,
    open_request_key,
    parse_subject,
    read_request,
)
from .succession import Succession, read_succession, state_succession
from .uri import KeyUri

__all__ = [
    "KeyStatus",
    "KeyUri",
    "Keyring",
    "RequestKey",
    "Succession",
    "build_request",
    "build_subject",
    "close_signer",
    "fingerprint_key",
    "join_key",
    "key_status",
    "load_signer",
    "open_request_key",
    "parse_subject",
    "read_request",
    "read_succession",
    "select_signer",
    "state_succession",
]
