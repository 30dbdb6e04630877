"""Texts in two languages."""

from __future__ import annotations

from edoc_connector._core import Text, describe_error
from edoc_connector.errors import PacketRefused


def test_words_of_persons_stay_as_they_are() -> None:
    """A reason that somebody wrote is the same in both languages; a text is taken as it is."""
    assert Text.of("Gửi nhầm") == Text("Gửi nhầm", "Gửi nhầm")
    assert Text.of(Text("told", "đã báo")) == Text("told", "đã báo")


def test_an_error_says_the_same_in_both_languages() -> None:
    """Its message and its words in Vietnamese (issue, "edoc explain")."""
    assert describe_error(PacketRefused("bad", vi="hỏng")) == Text("bad", "hỏng")
