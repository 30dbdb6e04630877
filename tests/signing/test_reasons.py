"""The catalogue of reasons: complete, in both languages, and the same as what the code gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edoc_connector import signing
from edoc_connector.signing.reasons import REASONS, SigningFinding, VerificationStatus, explain, explain_vi

_SOURCE = Path(signing.__file__).parent


@pytest.mark.parametrize("code", REASONS)
def test_every_reason_explains_itself_in_both_languages(code: str) -> None:
    """English and Vietnamese words, with what was seen in the same places (Verification: plain-words explanation)."""
    reason = REASONS[code]
    assert re.fullmatch(r"(SIG|SEAL)-[A-Z0-9-]+", code)
    assert reason.en
    assert reason.vi
    assert reason.en != reason.vi
    assert reason.en.count("{detail}") == reason.vi.count("{detail}") <= 1
    assert "{" not in explain(code, "{x}").replace("{x}", "") + explain_vi(code, "{x}").replace("{x}", "")


def test_only_two_reasons_are_valid() -> None:
    """VALID has one reason for each method, so no refusal can be mistaken for it."""
    assert [code for code, one in REASONS.items() if one.status is VerificationStatus.VALID] == ["SIG-OK", "SEAL-OK"]


def test_the_code_gives_no_other_reasons_and_leaves_none_unused() -> None:
    """Codes in the source and in the catalogue are the same."""
    used: set[str] = set()
    for path in _SOURCE.rglob("*.py"):
        if path.name != "reasons.py":
            used |= set(re.findall(r'"((?:SIG|SEAL)-[A-Z0-9-]+)"', path.read_text()))
    assert used == set(REASONS)


def test_a_finding_speaks_like_a_reason() -> None:
    """A finding has words in both languages."""
    finding = SigningFinding("SIG-REBUILT", "SIG-DIGEST")
    assert "SIG-DIGEST" in finding.message
    assert "SIG-DIGEST" in finding.message_vi


def test_a_strangers_words_stay_in_their_line() -> None:
    """Line ends, escapes and marks of direction in what was seen reach no log and no screen."""
    for words in (explain("SIG-URI", "a\nb\x1b[2J\u202ec"), explain_vi("SIG-URI", "a\r\nb\x1b\u202e\u2028c")):
        assert words.isprintable()
