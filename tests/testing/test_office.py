"""The other side of an exchange, played in a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector import edxml
from edoc_connector.connector import Connector
from edoc_connector.testing import MockOffice, assert_fields, assert_statuses, sample_document

if TYPE_CHECKING:
    from edoc_connector.config import Settings

Office = Callable[..., MockOffice]


@pytest.fixture(params=["vxp", "lgsp", "edocservice"])
def ours(
    request: pytest.FixtureRequest, edoc_settings: Callable[..., Settings], plain_http: None
) -> Iterator[Connector]:
    """The connector of H29.05, on each dialect of the mock hub."""
    with ExitStack() as stack:
        yield stack.enter_context(Connector.open(edoc_settings("H29.05", name="Sở Nội vụ", dialect=request.param)))


def test_an_office_plays_the_other_side(ours: Connector, edoc_office: Office) -> None:
    """It sends, and sees our statuses; it accepts and recalls, and we see its own."""
    g22 = edoc_office("G22")
    document_id = g22.send(subject="Kế hoạch năm 2027")
    (receipt,) = ours.receive()
    with receipt:
        assert_fields(receipt.document, subject="Kế hoạch năm 2027", sender__id="G22")
    receipt.accept()
    assert g22.list_statuses(document_id) == ["01", "03"]
    g22.recall(document_id)
    (change,) = ours.receive()
    with change:
        assert change.business is edxml.BusinessType.RECALL

    sent = ours.send(sample_document())
    g22.accept(sent.id)
    assert list(ours.receive()) == []
    assert_statuses(ours, sent.id, {"G22": "03"})
    assert [one.message.id for one in g22.list_received() if isinstance(one.message, edxml.Document)] == [sent.id]


def test_what_cannot_be_played_fails_the_test(edoc_office: Office) -> None:
    """An answer to what is not there, or does not wait for it, says so, and names what the hub has."""
    g22, h29 = edoc_office("G22"), edoc_office("H29.05")
    with pytest.raises(AssertionError, match="has no document 'x'; it has: nothing"):
        g22.accept("x")
    document_id = h29.send(to="G22")
    with pytest.raises(AssertionError, match="cannot send 06"):
        g22.answer(document_id, "06")
    g22.reject(document_id, "Sai thẩm quyền")
    with pytest.raises(AssertionError, match="no change of it"):
        g22.agree(document_id)
    h29.take_back(document_id)
    g22.agree(document_id)
    assert h29.list_statuses(document_id) == ["01", "02", "15"]


def test_assertions_say_what_differs() -> None:
    """Only the fields that differ are named, with what was expected and what was found."""
    fields: dict[str, Any] = {"number": "7816", "notation": "X", "signer__full_name": "Nguyễn Văn B"}
    with pytest.raises(AssertionError) as caught:
        assert_fields(sample_document(), **fields)
    told = str(caught.value)
    assert "notation:\n    - 'X'\n    + 'SNV-VP'" in told
    assert "- 'Nguyễn Văn B'\n    + 'Nguyễn Văn A'" in told
    assert "7816" not in told
