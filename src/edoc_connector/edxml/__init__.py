"""The edXML packet (QCVN 102:2016/BTTTT, amendment 1:2022): messages as values, written strictly, read tolerantly."""

from .attachments.attachment import Attachment, AttachmentDigest
from .attachments.save import save_all
from .findings import Finding, Severity
from .message.codes import BusinessType, DocumentType, Priority, StatusCode
from .message.model import (
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
from .message.organ_id import CodeSystem, Directory, OrganId
from .message.signed_fields import facts
from .message.table import HUB_DEFAULTS
from .message.values import VIETNAM
from .names import DS, NS, SEAL_NAME
from .reader.packet import Packet
from .reader.parser import parse_xml
from .reader.read import read
from .reader.scan import Limits
from .reader.skeleton import Skeleton
from .rules.lint import Remark, remarks
from .rules.rules import NEEDS_REASON, Problem
from .rules.validate import problems
from .writer.write import EnvelopedSigner, SealMaker, refuse, write

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
