"""The tree of errors, and the names that databases know it by."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import cast

import pytest

from edoc_connector import errors
from edoc_connector._core import Text, get_logger
from edoc_connector.errors import find_stored_name


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (errors.ClockRejected("", vi=""), "AuthenticationRejected"),
        (errors.CallNotSupported("", vi=""), "ProtocolError"),
        (errors.AuthenticationRejected("", vi=""), "AuthenticationRejected"),
        (errors.ProtocolError("", vi=""), "ProtocolError"),
        (errors.NotSent("", vi=""), "NotSent"),
        (errors.DocumentIdConflict("", vi=""), "DocumentIdConflict"),
        (KeyError("a"), "KeyError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_a_stored_name(error: BaseException, name: str) -> None:
    """A class is stored by its name; one that refines an older class by the name of that (stored rows stay)."""
    assert find_stored_name(error) == name


@pytest.fixture
def language() -> Iterator[None]:
    """The language as it was before the test."""
    before = errors.get_language()
    yield
    errors.set_language(cast("errors.Language", before))


@pytest.mark.parametrize(
    ("chosen", "words"),
    [("en", "gone: look"), ("vi", "không còn: tìm"), ("both", "gone: look\nkhông còn: tìm")],
)
def test_errors_speak_the_language_that_is_set(language: None, chosen: errors.Language, words: str) -> None:
    """`str()` follows the setting, and both is a line for each; `message` and `vi` stay (words, last paragraph)."""
    errors.set_language(chosen)
    error = errors.NotFound("gone: look", vi="không còn: tìm")
    assert str(error) == words
    assert (error.message, error.vi, error.args) == ("gone: look", "không còn: tìm", ("gone: look",))
    assert str(Text("a", "b")) == {"en": "a", "vi": "b", "both": "a / b"}[chosen]
    assert str(Text("G22", "G22")) == "G22"


def test_a_log_is_in_english(language: None, caplog: pytest.LogCaptureFixture) -> None:
    """What people are spoken to in changes no line of a log (words; monitoring)."""
    errors.set_language("vi")
    get_logger("edoc_connector.test").warning("not sent: %s", errors.NotSent("no network", vi="mất mạng"))
    assert caplog.messages == ["not sent: no network"]


def _list_errors(base: type[errors.EdocError] = errors.EdocError) -> list[type[errors.EdocError]]:
    return [base, *(one for child in base.__subclasses__() for one in _list_errors(child))]


@pytest.mark.parametrize("kind", _list_errors(), ids=lambda kind: kind.__name__)
def test_errors_come_from_other_processes(kind: type[errors.EdocError]) -> None:
    """What a process pool or a task queue hands over says the same as what was raised there."""
    error = kind.__new__(kind, "gone {name}")
    errors.EdocError.__init__(error, "gone", vi="không còn")
    error.__dict__["full"] = "gone: a.pdf"
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(other), other.args, other.__dict__) == (kind, error.args, error.__dict__)
    built = errors.HubError.withholding("no {x}", vi="không {x}", hidden={"x": 1}, retry_after=5.0)
    assert pickle.loads(pickle.dumps(built)).retry_after == 5.0
