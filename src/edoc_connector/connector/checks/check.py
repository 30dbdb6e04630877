"""The form of a check, and of what one look found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TypeAlias

from ..._core import Labelled, Text, label_members
from ...errors import EdocError
from .subject import NotOpened, Subject

Values: TypeAlias = Mapping[str, object]
"""What is filled into a sentence and its cure; a `Text` in the language of the sentence."""


_NO_CURE = Text("", "")


@label_members(
    {
        "warn": Text("warning", "cảnh báo"),
        "fail": Text("failure", "lỗi"),
    }
)
class CheckSeverity(Labelled, StrEnum):
    """How much a condition weighs while it lasts."""

    WARN = "warn"
    """Work goes on, and somebody has to look."""
    FAIL = "fail"
    """Some work does not go on before somebody has looked."""


@label_members(
    {
        "pass": Text("passed", "đạt"),
        "warn": Text("warning", "cảnh báo"),
        "fail": Text("failed", "không đạt"),
        "unknown": Text("not known", "chưa rõ"),
    }
)
class CheckOutcome(Labelled, StrEnum):
    """What one look found."""

    PASS = "pass"  # noqa: S105  no password
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    """It could not be looked at: the store does not answer for example, which is a condition of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What one look at one condition found.

    Args:
        code: the check's code, which never changes its meaning.
        severity: how much the condition weighs.
        outcome: whether it is there.
        text: what was found; where nothing was, what was looked at.
        cure: what to do; empty where nothing is to be done.
    """

    code: str
    severity: CheckSeverity
    outcome: CheckOutcome
    text: Text
    cure: Text = _NO_CURE

    def as_json(self) -> dict[str, str]:
        """Express the result as plain values for JSON."""
        return {
            "code": self.code,
            "severity": self.severity.value,
            "outcome": self.outcome.value,
            "text": self.text.en,
            "text_vi": self.text.vi,
            "cure": self.cure.en,
            "cure_vi": self.cure.vi,
        }

    @property
    def is_raised(self) -> bool:
        """Whether the condition is there."""
        return self.outcome in (CheckOutcome.WARN, CheckOutcome.FAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One condition that an operator must know.

    Args:
        code: ``CHK-…``; it never changes its meaning.
        severity: how much it weighs.
        title: what is looked at.
        sentence: what is the case, with ``{name}`` in the place of each value.
        cure: what to do about it, with the same values.
        find: gives the values where the condition is there, else None.
        is_slow: whether a look reads every file or row, so that a worker seldom takes one.
        is_remote: whether a look calls the hub or another server: a worker takes one seldom, and none at its start.
    """

    code: str
    severity: CheckSeverity
    title: Text
    sentence: Text
    cure: Text
    find: Callable[[Subject], Values | None] = field(repr=False)
    is_slow: bool = False
    is_remote: bool = False

    @property
    def is_quick(self) -> bool:
        """Whether a look takes no longer than a few statements."""
        return not self.is_slow and not self.is_remote

    def examine(self, subject: Subject) -> CheckResult:
        """Look whether the condition is there."""
        try:
            values = self.find(subject)
        except NotOpened:
            return self._build_result(CheckOutcome.UNKNOWN, self.title)
        except EdocError as error:
            return self._build_result(
                CheckOutcome.UNKNOWN,
                Text(f"{self.title.en}: not known: {error.message}", f"{self.title.vi}: chưa rõ: {error.vi}"),
            )
        if values is None:
            return self._build_result(CheckOutcome.PASS, self.title)
        outcome = CheckOutcome(self.severity.value)
        return self._build_result(outcome, _fill(self.sentence, values), _fill(self.cure, values))

    def _build_result(self, outcome: CheckOutcome, text: Text, cure: Text = _NO_CURE) -> CheckResult:
        return CheckResult(code=self.code, severity=self.severity, outcome=outcome, text=text, cure=cure)


def describe_count(count: int) -> Values | None:
    """Describe how many there are; None where there is none."""
    return {"count": count} if count else None


def describe_span(span: timedelta) -> Text:
    """Describe a time in minutes, hours or days, rounded down."""
    minutes = int(span.total_seconds() // 60)
    if minutes >= 48 * 60:
        return Text(f"{minutes // 1440} days", f"{minutes // 1440} ngày")
    return (
        Text(f"{minutes // 60} h", f"{minutes // 60} giờ")
        if minutes >= 120
        else Text(f"{minutes} min", f"{minutes} phút")
    )


def _fill(words: Text, values: Values) -> Text:
    en = {name: value.en if isinstance(value, Text) else value for name, value in values.items()}
    vi = {name: value.vi if isinstance(value, Text) else value for name, value in values.items()}
    return Text(words.en.format(**en), words.vi.format(**vi))
