"""Keys, packet signatures and seals."""

from .algorithms import SignatureAlgorithm
from .keyring import Keyring, KeyStatus, key_status
from .policy import VerifyMode, VerifyPolicy
from .reasons import REASONS, Reason, SigningFinding, VerificationStatus
from .revocation import Revocation, RevocationMode
from .seal import seal_maker
from .signer import Certified, LocalSigner, Signer, load_signer
from .timestamp import TimestampAuthority, TimeStamping
from .verification import Difference, Verification
from .verify import verify
from .xmldsig import enveloped

__all__ = [
    "REASONS",
    "Certified",
    "Difference",
    "KeyStatus",
    "Keyring",
    "LocalSigner",
    "Reason",
    "Revocation",
    "RevocationMode",
    "SignatureAlgorithm",
    "Signer",
    "SigningFinding",
    "TimeStamping",
    "TimestampAuthority",
    "Verification",
    "VerificationStatus",
    "VerifyMode",
    "VerifyPolicy",
    "enveloped",
    "key_status",
    "load_signer",
    "seal_maker",
    "verify",
]
