"""Connect an office's document-management system to the document interchange hubs of Vietnamese state bodies.

What a caller imports comes from here; docs/api.md lists it. Names load their modules on first use, so that importing
the package loads no database and no web server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .errors import (
    AgencyListError,
    AnswerCut,
    ArchiveMissing,
    ArchiveRefused,
    AttachmentError,
    AuthenticationRejected,
    CallNotSupported,
    ClockRejected,
    ConfigError,
    DocumentError,
    DocumentIdConflict,
    DuplicateDocument,
    EdocError,
    EvidenceError,
    HubError,
    HubUnavailable,
    IntermediaryAnswer,
    InvalidFields,
    InvalidQuery,
    NotFound,
    NotSent,
    OutcomeUnknown,
    PacketError,
    PacketRefused,
    ProtocolError,
    RecipientEnded,
    SigningError,
    StatusNotAllowed,
    StoreError,
    TransportError,
    UnknownRecipient,
    UnknownSender,
    VerificationFailed,
)

if TYPE_CHECKING:
    from . import edxml, hubs, signing, testing
    from .client import AsyncHubClient, HubClient
    from .config import Settings
    from .connector import AsyncConnector, Connector, Delivery, DeliveryState, Page, Receipt
    from .edxml import (
        Attachment,
        Business,
        BusinessType,
        Classification,
        Document,
        OrganId,
        Organization,
        Priority,
        ReceiverChange,
        Replacement,
        ResponseFor,
        SignerInfo,
        StaffInfo,
        StatusCode,
        StatusMessage,
    )
    from .hubs import Edocservice, Lgsp, Vxp
    from .signing import Signer, Verification, VerifyPolicy, load_signer

_HOMES = {
    "client": ("AsyncHubClient", "HubClient"),
    "config": ("Settings",),
    "connector": ("AsyncConnector", "Connector", "Delivery", "DeliveryState", "Page", "Receipt"),
    "edxml": (
        "Attachment",
        "Business",
        "BusinessType",
        "Classification",
        "Classification",
        "Document",
        "OrganId",
        "Organization",
        "Priority",
        "ReceiverChange",
        "Replacement",
        "ResponseFor",
        "SignerInfo",
        "StaffInfo",
        "StatusCode",
        "StatusMessage",
    ),
    "hubs": ("Edocservice", "Lgsp", "Vxp"),
    "signing": ("Signer", "Verification", "VerifyPolicy", "load_signer"),
}
_MODULES = ("edxml", "hubs", "signing", "testing")
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _HOME_OF:
        value = getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "AgencyListError",
    "AnswerCut",
    "ArchiveMissing",
    "ArchiveRefused",
    "AsyncConnector",
    "AsyncHubClient",
    "Attachment",
    "AttachmentError",
    "AuthenticationRejected",
    "Business",
    "BusinessType",
    "CallNotSupported",
    "Classification",
    "ClockRejected",
    "ConfigError",
    "Connector",
    "Delivery",
    "DeliveryState",
    "Document",
    "DocumentError",
    "DocumentIdConflict",
    "DuplicateDocument",
    "EdocError",
    "Edocservice",
    "EvidenceError",
    "HubClient",
    "HubError",
    "HubUnavailable",
    "IntermediaryAnswer",
    "InvalidFields",
    "InvalidQuery",
    "Lgsp",
    "NotFound",
    "NotSent",
    "OrganId",
    "Organization",
    "OutcomeUnknown",
    "PacketError",
    "PacketRefused",
    "Page",
    "Priority",
    "ProtocolError",
    "Receipt",
    "ReceiverChange",
    "RecipientEnded",
    "Replacement",
    "ResponseFor",
    "Settings",
    "Signer",
    "SignerInfo",
    "SigningError",
    "StaffInfo",
    "StatusCode",
    "StatusMessage",
    "StatusNotAllowed",
    "StoreError",
    "TransportError",
    "UnknownRecipient",
    "UnknownSender",
    "Verification",
    "VerificationFailed",
    "VerifyPolicy",
    "Vxp",
    "__version__",
    "edxml",
    "hubs",
    "load_signer",
    "signing",
    "testing",
]
