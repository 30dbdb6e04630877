"""Tokens of forms."""

from __future__ import annotations

from edoc_connector._web import CsrfTokens


def test_a_token_is_one_process_and_one_sessions() -> None:
    """A form's token is good in its own session and process only."""
    tokens = CsrfTokens()
    assert tokens.matches(tokens.issue("a"), "a")
    assert not tokens.matches(tokens.issue("a"), "b")
    assert not tokens.matches("", "")
    assert not tokens.matches("ạ", "")
    assert not CsrfTokens().matches(tokens.issue("a"), "a")
    assert tokens.key.hex() not in repr(tokens)
