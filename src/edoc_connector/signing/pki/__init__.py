"""Certificates, their paths, trust and revocation, and time-stamps."""

from .asn1_names import bound_asn1_names
from .certificates import (
    PARSE_ERRORS,
    can_sign,
    certificate_digest,
    days_left,
    find_key_problem,
    find_leaf,
    fingerprint,
    human_name,
    is_for_other_use,
    is_same_key,
    is_valid_at,
    key_usage,
    order_chain,
    read_certificate,
    read_certificates,
)
from .organisations import Binding, CodeDirectory, OthersMode
from .path_building import PathBudget
from .path_validation import Trust, judge_certificate
from .policy import VerifyMode, VerifyPolicy
from .revocation import Revocation, RevocationMode
from .signer_words import describe_chain, describe_signer
from .timestamp import CLOCK_TOLERANCE, TimestampAuthority, TimeStamping, check_timestamp

__all__ = [
    "CLOCK_TOLERANCE",
    "PARSE_ERRORS",
    "Binding",
    "CodeDirectory",
    "OthersMode",
    "PathBudget",
    "Revocation",
    "RevocationMode",
    "TimeStamping",
    "TimestampAuthority",
    "Trust",
    "VerifyMode",
    "VerifyPolicy",
    "bound_asn1_names",
    "can_sign",
    "certificate_digest",
    "check_timestamp",
    "days_left",
    "describe_chain",
    "describe_signer",
    "find_key_problem",
    "find_leaf",
    "fingerprint",
    "human_name",
    "is_for_other_use",
    "is_same_key",
    "is_valid_at",
    "judge_certificate",
    "key_usage",
    "order_chain",
    "read_certificate",
    "read_certificates",
]
