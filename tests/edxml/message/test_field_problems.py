"""Values of a wrong kind are one error of ours, with the list of fields."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import edoc_connector as edoc
from edoc_connector.edxml import FieldProblem
from edoc_connector.testing import sample_document

_STATUS = {
    "sender": {"id": "G22", "name": "Văn phòng Chính phủ"},
    "response_for": {"organ_id": "H29.05", "document_id": "a"},
    "code": "01",
    "timestamp": "2026-11-20T10:00:00+07:00",
}
MAKERS: dict[str, tuple[Callable[[], object], list[tuple[str, str]]]] = {
    "unknown and missing": (
        lambda: edoc.Organization(id="H29", nane="Sở Nội vụ"),  # type: ignore[call-arg]
        [("name", "missing"), ("nane", "extra_forbidden")],
    ),
    "inside a list": (
        lambda: edoc.Document.model_validate(
            sample_document().model_dump() | {"recipients": [{"id": "H29", "name": 5}], "number": None}
        ),
        [("recipients[0].name", "string_type"), ("number", "string_type")],
    ),
    "a date": (lambda: edoc.ResponseFor(issued_on="yesterday"), [("issued_on", "date_from_datetime_parsing")]),  # type: ignore[arg-type]
    "a time": (
        lambda: edoc.StatusMessage.model_validate(_STATUS | {"timestamp": "noon"}),
        [("timestamp", "datetime_from_date_parsing")],
    ),
    "a code": (lambda: edoc.Business.model_validate({"type": "9"}), [("type", "enum")]),
    "a text for a list": (
        lambda: edoc.Replacement(document_id="a", organ_ids="H29"),
        [("organ_ids", "tuple_type")],
    ),
    "JSON": (lambda: edoc.Business.model_validate_json("{"), [("", "json_invalid")]),
    "texts": (lambda: edoc.StaffInfo.model_validate_strings({"x": "1"}), [("x", "extra_forbidden")]),
    "a change": (lambda: setattr(edoc.StaffInfo(), "staff", "A"), [("staff", "frozen_instance")]),
    "an attachment": (
        lambda: edoc.Document.model_validate(sample_document().model_dump() | {"attachments": ["a.pdf"]}),
        [("attachments[0]", "is_instance_of")],
    ),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_values_of_a_wrong_kind_are_our_error(kind: str) -> None:
    """A model that cannot be made is an `EdocError` and a `ValueError` that lists its fields in two languages."""
    make, expected = MAKERS[kind]
    with pytest.raises(edoc.InvalidFields) as caught:
        make()
    error = caught.value
    assert {edoc.EdocError, ValueError} <= set(type(error).__mro__)
    assert all(isinstance(problem, FieldProblem) for problem in error.problems)
    assert [(problem.field, problem.code) for problem in error.problems] == expected
    for problem in error.problems:
        assert problem.message in error.message
        assert problem.message_vi in error.vi
        assert problem.message != problem.message_vi


def test_lists_and_tuples_are_the_same() -> None:
    """Several values are given as any sequence and kept as a tuple: equal, hashable, and none changes later."""
    document = sample_document()
    recipients = list(document.recipients)
    same = sample_document(recipients=recipients)
    recipients.clear()
    assert same == document
    assert isinstance(same.recipients, tuple)
