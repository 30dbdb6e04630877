"""Words that were decided once are the ones that people read ("Vietnamese words")."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_READ_BY_PEOPLE = ("src", "docs", "examples", "deploy", "README.md", "README.vi.md")
_SUFFIXES = frozenset({".py", ".md", ".toml", ".yml", ".yaml", ".html", ".json", ".service"})
_RELEASED = re.compile(r"/migrations/versions/")  # what earlier revisions wrote is not rewritten

STILTED = {
    r"trạng thái \{describe_code\([^)]*\)\} tới": "trạng thái 01 (Đã đến) báo H29.05",
    r"xác nhận (done|fail|\{row\.code\})": "xác nhận đã nhận (done)",
    r"trục đã biết đơn vị": "trục đã ghi nhận đơn vị nhận được gói tin",
    r"[Cc]hưa được gửi trạng thái": "Không được gửi trạng thái",
    r"[Mm]ã đơn vị(?! quan hệ ngân sách)|[Mm]ã cơ quan": "mã định danh",
    r"(cùng|với|thay|có) mã định danh (\{document_id|\{copy\.|này|bằng)": "mã văn bản",
    r"(trục|hệ thống)[^.\n]{0,20} khóa bí mật|[Kk]hóa bí mật của trục": "mã bí mật",
}
"""Phrases that were found stilted, or that call a thing by another's name, each with what is said in its place."""


def _iter_texts() -> Iterator[tuple[str, str]]:
    for name in _READ_BY_PEOPLE:
        path = ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else (path,):
            if file.suffix in _SUFFIXES and not _RELEASED.search(file.as_posix()):
                yield file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")


@pytest.mark.parametrize("phrase", STILTED)
def test_no_text_says_it_so(phrase: str) -> None:
    """No text that a user reads has a phrase that was found stilted (words, "Found stilted")."""
    found = [
        f"{name}: {one[0]} → {STILTED[phrase]}" for name, text in _iter_texts() for one in re.finditer(phrase, text)
    ]
    assert not found


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        (r"[Cc]hưa được gửi trạng thái", "Chưa được gửi trạng thái 06 Hoàn thành"),
        (r"xác nhận (done|fail|\{row\.code\})", "xác nhận done chờ gửi"),
        (r"trục đã biết đơn vị", "trục đã biết đơn vị nhận được"),
    ],
)
def test_the_phrases_find_what_they_are_for(phrase: str, text: str) -> None:
    """A phrase of the table finds the words that it is about."""
    assert phrase in STILTED
    assert re.search(phrase, text)
