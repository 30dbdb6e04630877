"""What the frames of an error hold, let go of early."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import TypeVar

ErrorT = TypeVar("ErrorT", bound=BaseException)


def release_frames(error: BaseException) -> None:
    """Release what the frames hold that an error, and those that caused it, left behind.

    A frame that raises a variable of its own is held by the error that it holds: with everything else in those frames,
    such as a hub's answer, it would stay until Python looks for such circles, which it does seldom. Lines and names of
    the traceback stay.
    """
    for one in _iter_chain(error):
        traceback.clear_frames(one.__traceback__)


def drop_traceback(error: ErrorT) -> ErrorT:
    """Drop the tracebacks of an error that is handed on as a result, and of those that caused it; returns the error.

    They hold the frames of its callers, and these the result with the error.
    """
    for one in _iter_chain(error):
        one.__traceback__ = None
    return error


def _iter_chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
