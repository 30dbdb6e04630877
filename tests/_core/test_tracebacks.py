"""What the frames of an error hold, let go of early."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from edoc_connector._core import release_frames


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
