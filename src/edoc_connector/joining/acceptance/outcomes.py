"""The outcomes of the lines of an acceptance run, and the exceptions with which a step says one."""

from __future__ import annotations

from enum import StrEnum

from ..._core import Labelled, Text, label_members


@label_members(
    {
        "pass": Text("pass", "đạt"),
        "fail": Text("fail", "không đạt"),
        "not-possible": Text("not possible here", "không thực hiện được ở đây"),
        "waiting": Text("waiting for the partner", "chờ đối tác"),
        "open": Text("not run yet", "chưa thực hiện"),
    }
)
class LineOutcome(Labelled, StrEnum):
    """What a line of the acceptance run came to."""

    PASS = "pass"  # noqa: S105  no password
    FAIL = "fail"
    NOT_POSSIBLE = "not-possible"
    WAITING = "waiting"
    OPEN = "open"


class LineEnded(Exception):
    """Ends a line with an outcome other than a pass.

    Args:
        text: why.
    """

    outcome = LineOutcome.FAIL

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text


class NotMet(LineEnded):
    """What the line asks for is not so."""


class NotPossible(LineEnded):
    """The hub, or what is installed here, cannot do what the line is about."""

    outcome = LineOutcome.NOT_POSSIBLE


class PartnerAwaited(LineEnded):
    """The partner has something to do, which the text says."""

    outcome = LineOutcome.WAITING
