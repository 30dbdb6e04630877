"""Keys, packet signatures and seals."""

from .algorithms import SignatureAlgorithm
from .policy import VerifyMode, VerifyPolicy
from .reasons import REASONS, Reason, SigningFinding, VerificationStatus
from .seal import seal_maker
from .signer import LocalSigner, Signer, load_signer
from .verification import Difference, Verification
from .verify import verify
from .xmldsig import enveloped

__all__ = [
    "REASONS",
    "Difference",
    "LocalSigner",
    "Reason",
    "SignatureAlgorithm",
    "Signer",
    "SigningFinding",
    "Verification",
    "VerificationStatus",
    "VerifyMode",
    "VerifyPolicy",
    "enveloped",
    "load_signer",
    "seal_maker",
    "verify",
]
