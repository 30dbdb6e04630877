"""The registry of dialects, and the marks on their fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from edoc_connector.hubs import (
    REGISTRY,
    SECRET,
    Dialect,
    Vxp,
    collect_secrets,
    is_secret,
    list_setting_fields,
    with_clock,
)

THEN = datetime(2026, 11, 20, tzinfo=UTC)


@dataclass(frozen=True)
class OtherDialect:
    """A dialect of somebody else, as far as its fields go."""

    address: str
    token: str = field(metadata={"secret": True})
    pin: str | None = field(default=None, repr=False, metadata=SECRET)
    note: str = field(default="kept out of the repr for its length", repr=False)
    now: Callable[[], datetime] = field(default=lambda: THEN, repr=False)


def test_registry_gives_dialects() -> None:
    """A name in the configuration stands for a class whose objects speak every common call (design, hubs)."""
    dialect: Dialect = REGISTRY["vxp"](endpoint="https://hub.gov.vn/vxp", system_id="H29", secret="s3cret")
    assert isinstance(dialect, Vxp)
    common = [name for name in vars(Dialect) if not name.startswith("_")]
    assert all(callable(getattr(dialect, name)) for name in common)


def test_a_mark_and_nothing_else_makes_a_secret() -> None:
    """A field is secret by its metadata, shown in the repr or not, in a dialect that is not ours (design, secrets)."""
    other: Any = OtherDialect("https://hub.test", "t0ken", pin="0000")
    without_pin: Any = OtherDialect("https://hub.test", "t0ken", pin="")
    assert [one.name for one in list_setting_fields(other) if is_secret(one)] == ["token", "pin"]
    assert collect_secrets(other) == ("t0ken", "0000")
    assert collect_secrets(without_pin) == ("t0ken",)
    assert collect_secrets(Vxp(endpoint="https://hub.test", system_id="H29", secret="s3cret")) == ("s3cret",)


def test_a_clock_is_no_setting() -> None:
    """The field `now` is left out of what a configuration sets, and takes another clock (faults, row 22)."""
    other: Any = OtherDialect("https://hub.test", "t0ken")
    assert [one.name for one in list_setting_fields(other)] == ["address", "token", "pin", "note"]
    moved = with_clock(other, lambda: datetime(2027, 1, 1, tzinfo=UTC))
    assert isinstance(moved, OtherDialect)
    assert (moved.now(), other.now()) == (datetime(2027, 1, 1, tzinfo=UTC), THEN)


def test_a_dialect_without_marks() -> None:
    """An object that is no dataclass has no settings, no secrets and no clock to set (design, hubs)."""
    plain: Any = object()
    assert (list_setting_fields(plain), collect_secrets(plain)) == ((), ())
    assert with_clock(plain, lambda: THEN) is plain
