"""Assertions about documents and their fates, which say what differs, a line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..connector import Connector
    from ..edxml import Message


def assert_fields(message: Message, **expected: Any) -> None:
    """Assert that fields of a document or status have values.

    Args:
        message: the document or status.
        **expected: values by field; dots as two underscores, e.g. ``signer__full_name="Nguyễn Văn A"``.

    Raises:
        AssertionError: a line for each field that differs, and for nothing else.
    """
    found = {name: _follow(message, name) for name in expected}
    _raise_differences("the message", expected, found)


def assert_statuses(connector: Connector, document_id: str, expected: dict[str, str]) -> None:
    """Assert where a document that was sent stands with each of its recipients.

    Args:
        connector: sent it.
        document_id: its DocumentId.
        expected: status code by the recipient's code; empty for none yet.

    Raises:
        AssertionError: a line for each recipient that differs, and what the connector says of the document.
    """
    delivery = connector.delivery(document_id)
    found = {one.organ_id: str(one.status or "") for one in delivery.recipients}
    try:
        _raise_differences(f"document {document_id}", expected, found)
    except AssertionError as error:
        raise AssertionError(f"{error}\n\n{connector.explain(document_id).text()}") from None


def _follow(value: Any, path: str) -> Any:
    for name in path.split("__"):
        value = getattr(value, name)
    return value


def _raise_differences(what: str, expected: dict[str, Any], found: dict[str, Any]) -> None:
    names = dict.fromkeys([*expected, *found])
    wrong = [name for name in names if expected.get(name, _NOTHING) != found.get(name, _NOTHING)]
    if wrong:
        lines = (f"  {name}:\n    - {_show(expected, name)}\n    + {_show(found, name)}" for name in wrong)
        raise AssertionError(f"{what} is not as expected (- expected, + found):\n" + "\n".join(lines))


_NOTHING = object()


def _show(values: dict[str, Any], name: str) -> str:
    return repr(values[name]) if name in values else "(not there)"
