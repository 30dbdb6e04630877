"""Levels of state secrets, and their marks in texts."""

from __future__ import annotations

import time
import unicodedata
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import pytest

import edoc_connector.edxml as edxml
from edoc_connector.edxml import VIETNAM, Attachment, Classification
from edoc_connector.edxml.message.classification import find_mark
from edoc_connector.errors import DocumentError
from edoc_connector.testing import sample_document

Form: TypeAlias = Literal["NFC", "NFD", "NFKC", "NFKD"]
FORMS = get_args(Form)
AT = datetime(2030, 1, 1, tzinfo=VIETNAM)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("MẬT", "MẬT"),
        ("[MẬT] Báo cáo quý III", "MẬT"),
        ("Báo cáo TỐI MẬT về kế hoạch", "TỐI MẬT"),
        ("BÁO CÁO TUYỆT  MẬT", "TUYỆT MẬT"),
        ("TUYỆT_MẬT-01.pdf", "TUYỆT MẬT"),
        ("CV_MẬT_2026.pdf", "MẬT"),
        ("MẬT.docx", "MẬT"),
        ("V/v BẢO MẬT; MẬT", "MẬT"),
        ("Văn bản (MẬT)", "MẬT"),
        ("V/v tăng cường bảo mật thông tin", None),
        ("V/V TĂNG CƯỜNG BẢO MẬT THÔNG TIN", None),
        ("LUẬT BẢO VỆ BÍ MẬT NHÀ NƯỚC", None),
        ("QUY CHẾ ĐẶT MẬT KHẨU", None),
        ("BẢO_MẬT.pdf", None),
        ("Kỹ thuật MẬT MÃ", None),
        ("Mật", None),
        ("tối mật", None),
        ("MẬT2", None),
        ("", None),
    ],
)
def test_a_mark_is_capitals_that_stand_by_themselves(text: str, mark: str | None, form: Form) -> None:
    """Marks are found in every normal form; "bảo mật", in whatever letters, is a word (issue, classified documents)."""
    assert find_mark(unicodedata.normalize(form, text)) == mark


def test_a_mark_is_looked_for_in_bounded_time() -> None:
    """A long text of alternating marks, which is slow to normalise, is looked at from its beginning only."""
    text = "a" + "\u0301\u0323" * 200_000
    started = time.process_time()
    assert find_mark(text) is None
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("text", "level"), [("mật", "CONFIDENTIAL"), ("TỐI  MẬT", "SECRET"), ("Tuyệt mật", "TOP_SECRET")]
)
def test_a_level_has_any_spelling(text: str, level: str, form: Form) -> None:
    """A caller writes a level as its own system does; anything else is no level (Law 29/2018/QH14, Article 8)."""
    assert Classification(unicodedata.normalize(form, text)) is Classification[level]
    with pytest.raises(ValueError, match="khẩn"):
        Classification("khẩn")


@pytest.mark.parametrize("level", Classification)
def test_a_classified_document_is_refused(level: Classification, tmp_path: Path) -> None:
    """Mật, Tối mật and Tuyệt mật are not for this exchange: nothing is written (Decision 28/2018/QĐ-TTg)."""
    document = sample_document(classification=level)
    problems = [one for one in document.validate() if one.code == "EDR-CLASSIFIED"]
    assert [(one.severity, one.field) for one in problems] == [(edxml.Severity.ERROR, "classification")]
    with pytest.raises(DocumentError, match=f"classification is '{level}', a state secret.*Decision 28/2018") as caught:
        edxml.write(document, tmp_path / "x.edxml", at=AT)
    assert "bí mật nhà nước" in caught.value.vi
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_mark_is_a_finding_on_both_sides_and_no_refusal(form: Form, tmp_path: Path) -> None:
    """A marked subject or name is a warning to sender and receiver and in lint; the packet is written (issue)."""
    subject, name = (unicodedata.normalize(form, one) for one in ("Báo cáo TỐI MẬT", "Phụ lục MẬT.txt"))
    document = sample_document(subject=subject, attachments=(Attachment.from_bytes(b"x", name=name),))
    warned = [one for one in document.validate() if one.code == "EDR-MARK"]
    assert [(one.field, one.severity.value) for one in warned] == [
        ("subject", "warning"),
        ("attachments[0].name", "warning"),
    ]
    edxml.write(document, tmp_path / "x.edxml", at=AT)
    packet = edxml.read(tmp_path / "x.edxml")
    found = [one for one in packet.findings if one.code == "EDX-MARK"]
    assert [one.xpath.rsplit("/", 1)[1] for one in found] == ["Subject", "AttachmentName"]
    assert [one.seen for one in found] == ["TỐI MẬT", "MẬT"]
    assert subject not in "".join(one.message + one.message_vi for one in found)
    remarks = [one for one in edxml.remarks(packet, at=AT) if "MARK" in one.code]
    assert [(one.code, one.xpath.rsplit("/", 1)[1]) for one in remarks] == [
        ("EDX-MARK", "Subject"),
        ("EDX-MARK", "AttachmentName"),
    ]
    assert all(one.line for one in remarks)
