"""Commands on packet files, PDF files, keys and signatures; they need no hub and no store."""

from .build import build
from .files import read_message, save_attachments, warn_of_marks
from .inspect import inspect
from .keys import key_commands
from .lint import lint
from .pdf import pdf_commands
from .seal import seal_commands
from .verdicts import describe_findings, describe_verification, format_verdict
from .verify import verify

__all__ = [
    "build",
    "describe_findings",
    "describe_verification",
    "format_verdict",
    "inspect",
    "key_commands",
    "lint",
    "pdf_commands",
    "read_message",
    "save_attachments",
    "seal_commands",
    "verify",
    "warn_of_marks",
]
