"""Keys, packet signatures and seals."""

from .algorithms import SignatureAlgorithm
from .keys.keyring import Keyring, KeyStatus, key_status
from .pki.policy import VerifyMode, VerifyPolicy
from .pki.revocation import Revocation, RevocationMode
from .pki.timestamp import TimestampAuthority, TimeStamping
from .reasons import REASONS, Reason, SigningFinding, VerificationStatus
from .signer import Certified, LocalSigner, Signer, load_signer
from .xmlsig.result import Difference, Verification
from .xmlsig.seal import seal_maker
from .xmlsig.verify import verify
from .xmlsig.xmldsig import enveloped

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
