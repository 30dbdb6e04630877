"""The edXML packet (QCVN 102:2016/BTTTT, amendment 1:2022): messages as values, written strictly, read tolerantly."""

from .attachment import Attachment, AttachmentDigest
from .checks import problems
from .codes import BusinessType, DocumentType, Priority, StatusCode
from .extract import save_all
from .facts import facts
from .findings import Finding, Severity
from .model import (
    Business,
    Document,
    Message,
    Organization,
    ReceiverChange,
    Replacement,
    ResponseFor,
    SignerInfo,
    StaffInfo,
    StatusMessage,
    TraceHeader,
)
from .names import DS, NS, SEAL_NAME
from .organ_id import CodeSystem, Directory, OrganId
from .packet import Packet
from .read import read
from .remarks import Remark, remarks
from .rules import NEEDS_REASON, Problem
from .scan import Limits
from .skeleton import Skeleton
from .table import HUB_DEFAULTS
from .values import VIETNAM
from .write import EnvelopedSigner, SealMaker, refuse, write
from .xml import parse_xml

__all__ = [
    "DS",
    "HUB_DEFAULTS",
    "NEEDS_REASON",
    "NS",
    "SEAL_NAME",
    "VIETNAM",
    "Attachment",
    "AttachmentDigest",
    "Business",
    "BusinessType",
    "CodeSystem",
    "Directory",
    "Document",
    "DocumentType",
    "EnvelopedSigner",
    "Finding",
    "Limits",
    "Message",
    "OrganId",
    "Organization",
    "Packet",
    "Priority",
    "Problem",
    "ReceiverChange",
    "Remark",
    "Replacement",
    "ResponseFor",
    "SealMaker",
    "Severity",
    "SignerInfo",
    "Skeleton",
    "StaffInfo",
    "StatusCode",
    "StatusMessage",
    "TraceHeader",
    "facts",
    "parse_xml",
    "problems",
    "read",
    "refuse",
    "remarks",
    "save_all",
    "write",
]
