"""What the frames of an error hold, let go of early."""

from __future__ import annotations

import traceback


def release_frames(error: BaseException) -> None:
    """Release what the frames hold that an error, and those that caused it, left behind.

    A frame that raises a variable of its own is held by the error that it holds: with everything else in those frames,
    such as a hub's answer, it would stay until Python looks for such circles, which it does seldom. Lines and names of
    the traceback stay.
    """
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        traceback.clear_frames(current.__traceback__)
        current = current.__cause__ or current.__context__
