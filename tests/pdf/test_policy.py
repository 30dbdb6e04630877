"""Demanding signatures of the PDF files among attachments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edoc_connector.edxml import Attachment
from edoc_connector.pdf import find_unsigned, require_signatures
from edoc_connector.signing import VerifyMode, VerifyPolicy
from edoc_connector.testing.keys import authority


def test_what_is_demanded(trusting: VerifyPolicy) -> None:
    """Where authorities are named, trust in one of them, even if packets need no signature; else a signature."""
    assert require_signatures(VerifyPolicy()).mode is VerifyMode.VALID
    assert require_signatures(replace(trusting, mode=VerifyMode.ANY)) == trusting


def test_which_files_are_not_as_demanded(sign: Any, plain: bytes, trusting: VerifyPolicy) -> None:
    """PDF files of any name are looked at, others are not; each that is wanting is named with the reason."""
    stranger = authority("Stranger CA").agency("Kẻ lạ", kind="p256")
    files = [
        Attachment.from_bytes(sign(), name="ky.pdf"),
        Attachment.from_bytes(plain, name="chua-ky.pdf"),
        Attachment.from_bytes(b"a;b", name="so-lieu.csv"),
        Attachment.from_bytes(plain, name="chua-ky.doc"),
        Attachment.from_bytes(b"x", name="hong.pdf"),
        Attachment.from_bytes(sign(keys=stranger), name="la.pdf"),
    ]
    found = [(one.index, one.attachment.name, one.verification.reason) for one in find_unsigned(files, trusting)]
    assert found == [
        (1, "chua-ky.pdf", "PDF-NONE"),
        (3, "chua-ky.doc", "PDF-NONE"),
        (4, "hong.pdf", "PDF-NOT-PDF"),
        (5, "la.pdf", "SIG-UNTRUSTED"),
    ]
    assert [one.index for one in find_unsigned(files, VerifyPolicy())] == [1, 3, 4]
