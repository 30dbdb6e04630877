"""Validation of messages: all problems at once, each with its place and clause."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import edoc_connector.edxml as edxml


def _organization(**fields: str) -> edxml.Organization:
    return edxml.Organization(**({"id": "G22", "name": "VPCP"} | fields))


def test_the_vietnam_date_counts(document: Callable[..., edxml.Document]) -> None:
    """ "Not in the future (Vietnam date)": the day changes at 17:00 UTC."""
    issued = document(issued_on=date(2026, 11, 21))
    assert edxml.problems(issued, at=datetime(2026, 11, 20, 17, tzinfo=UTC)) == ()
    found = edxml.problems(issued, at=datetime(2026, 11, 20, 16, 59, tzinfo=UTC))
    assert [one.code for one in found] == ["EDR-FUTURE"]
    assert "2026/11/20" in found[0].message


def test_problems_say_where_and_what(document: Callable[..., edxml.Document], at: datetime) -> None:
    """A problem has the attribute, the element's path and the offending value."""
    (found,) = edxml.problems(document(recipients=(_organization(), _organization(id="G23", name="x" * 201))), at=at)
    assert (found.field, found.xpath) == ("recipients[1].name", "MessageHeader/To[2]/OrganName")
    assert found.value == "x" * 201


def test_validate_gives_all_problems_at_once(
    document: Callable[..., edxml.Document], status: Callable[..., edxml.StatusMessage], at: datetime
) -> None:
    """A message checks itself, for now or for a given time, and never raises."""
    broken = document(number="", subject="x" * 501, place="x" * 51, recipients=())
    found = broken.validate(at=at)
    assert found == edxml.problems(broken, at=at)
    assert {one.field for one in found} == {"recipients", "number", "subject", "place"}
    assert [one.field for one in status(code="99").validate()] == ["code"]
    assert document(issued_on=date(2000, 1, 1)).validate() == ()
    assert [one.code for one in document(issued_on=date(9999, 1, 1)).validate()] == ["EDR-YEAR", "EDR-FUTURE"]


def test_problems_have_clauses(document: Callable[..., edxml.Document], at: datetime) -> None:
    """A problem names the part of the standard it comes from."""
    (found,) = edxml.problems(document(subject=""), at=at)
    assert found.clause == "QCVN 102:2016/BTTTT, amendment 1:2022: MessageHeader/Subject"
    (found,) = edxml.problems(document(recipients=(_organization(), _organization(id="G23", name=""))), at=at)
    assert found.clause.endswith(": MessageHeader/To/OrganName")


def test_many_recipients_are_checked_soon(document: Callable[..., edxml.Document], at: datetime) -> None:
    """The search for repeated recipients costs time in proportion to their number."""
    many = tuple(_organization(id=f"H29.{number // 99 + 1:02}.{number % 99:02}") for number in range(5000))
    assert edxml.problems(document(recipients=many), at=at) == ()
