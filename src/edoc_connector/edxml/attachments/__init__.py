"""Attachments: names, types and bytes, read from files, from memory or from a packet."""

from .attachment import Attachment, AttachmentDigest
from .base64_text import RunKind, classify_run, encode_base64, has_spaces, has_url_safe_letters
from .content import Base64Content, BytesContent, Content, MemoryText, SpanText, ZippedContent
from .filenames import DistinctNames, distinct, safe_name
from .media_types import FILE_FORMATS, find_contradiction, guess_type, is_generic_type
from .save import save_all
from .zip_directory import NotWrapping
from .zip_stream import ZIP_HEADS, UnpackingBudget

__all__ = [
    "FILE_FORMATS",
    "ZIP_HEADS",
    "Attachment",
    "AttachmentDigest",
    "Base64Content",
    "BytesContent",
    "Content",
    "DistinctNames",
    "MemoryText",
    "NotWrapping",
    "RunKind",
    "SpanText",
    "UnpackingBudget",
    "ZippedContent",
    "classify_run",
    "distinct",
    "encode_base64",
    "find_contradiction",
    "guess_type",
    "has_spaces",
    "has_url_safe_letters",
    "is_generic_type",
    "safe_name",
    "save_all",
]
