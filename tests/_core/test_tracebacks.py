"""What the frames of an error hold, let go of early."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from edoc_connector._core import drop_traceback, release_frames


class _Answer:
    """Something large that a frame holds."""


@pytest.fixture(autouse=True)
def _without_collector() -> Iterator[None]:
    """Only counted references free anything."""
    gc.disable()
    yield
    gc.enable()


def _fail(answers: list[weakref.ref[_Answer]]) -> None:
    answer = _Answer()
    answers.append(weakref.ref(answer))
    error = ValueError("no")
    raise error  # the frame holds the error, and the error the frame


def _fail_because(answers: list[weakref.ref[_Answer]]) -> None:
    try:
        _fail(answers)
    except ValueError as cause:
        error = KeyError("so")
        raise error from cause


@pytest.mark.parametrize("fail", [_fail, _fail_because])
@pytest.mark.parametrize("is_released", [True, False])
def test_what_frames_held_is_free_with_the_error(fail: object, is_released: bool) -> None:
    """And not before Python looks for circles where nobody lets go (soak, "memory levels off")."""
    assert callable(fail)
    answers: list[weakref.ref[_Answer]] = []
    try:
        fail(answers)
    except (ValueError, KeyError) as error:
        if is_released:
            release_frames(error)
    assert (answers[0]() is None) is is_released
    gc.collect()
    assert answers[0]() is None


def _hand_on(answers: list[weakref.ref[_Answer]]) -> Exception:
    try:
        _fail_because(answers)
    except KeyError as error:
        return drop_traceback(error)
    raise AssertionError


def _keep_result(answers: list[weakref.ref[_Answer]]) -> None:
    """As a caller that holds the result, in a frame that the error's own frames lead to."""
    held = _Answer()
    answers.append(weakref.ref(held))
    result = _hand_on(answers)
    assert result.__cause__ is not None


def test_an_error_that_is_handed_on_holds_no_frame_of_its_callers() -> None:
    """Nor do the errors that caused it (soak, "memory levels off")."""
    answers: list[weakref.ref[_Answer]] = []
    error = _hand_on(answers)
    assert (error.__traceback__, error.__cause__ and error.__cause__.__traceback__) == (None, None)
    del error
    _keep_result(answers)
    assert [one() for one in answers] == [None] * 3
