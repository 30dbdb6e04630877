"""Agencies on different dialects of one hub write to each other, with the library on both sides."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import Connector
from edoc_connector.edxml import Organization
from edoc_connector.mockhub import EdocserviceTraps
from edoc_connector.testing import assert_fields, assert_statuses, sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from edoc_connector.config import Settings


@pytest.mark.parametrize(
    ("theirs", "ours"), [("vxp", "edocservice"), ("edocservice", "vxp"), ("lgsp", "edocservice"), ("vxp", "lgsp")]
)
def test_a_document_crosses_dialects(
    edoc_settings: Callable[..., Settings], plain_http: None, theirs: str, ours: str
) -> None:
    """A document of one dialect's agency arrives at another's, and its statuses come back."""
    with ExitStack() as stack:
        sender = stack.enter_context(Connector.open(edoc_settings("H29.05", name="Sở Nội vụ", dialect=theirs)))
        receiver = stack.enter_context(Connector.open(edoc_settings("G22", name="VPCP", dialect=ours)))
        sent = sender.send(sample_document())
        (receipt,) = receiver.receive()
        with receipt:
            assert_fields(receipt.document, subject="V/v kết nối, liên thông văn bản", sender__id="H29.05")
            assert [one.name for one in receipt.attachments] == ["cong-van.pdf"]
        receipt.accept()
        assert list(sender.receive()) == []
        assert_statuses(sender, sent.id, {"G22": "03"})


NEW, OLD = {"a": "H29.05", "b": "G22"}, {"a": "000.00.05.H29", "b": "000.00.00.G22"}
NAMES = {"a": "Sở Nội vụ", "b": "Văn phòng Chính phủ"}


@pytest.fixture
def both_codes(mock_hub: RunningHub) -> RunningHub:
    """A hub whose eDoc side knows its agencies by their older codes."""
    for who, code in NEW.items():
        mock_hub.add_agency(code, f"secret-{code}", NAMES[who], old_code=OLD[who])
    mock_hub.edocservice = EdocserviceTraps(old_codes=True)
    return mock_hub


@pytest.mark.parametrize(
    ("theirs", "ours", "of_sender", "of_receiver"),
    [("vxp", "edocservice", NEW, OLD), ("edocservice", "vxp", OLD, NEW), ("edocservice", "edocservice", OLD, OLD)],
)
def test_codes_are_mapped_between_dialects(
    both_codes: RunningHub,
    edoc_settings: Callable[..., Settings],
    plain_http: None,
    theirs: str,
    ours: str,
    of_sender: dict[str, str],
    of_receiver: dict[str, str],
) -> None:
    """Each side sees both agencies by its own codes, in documents and in statuses (issue, "codes mapped")."""
    with ExitStack() as stack:
        sender = stack.enter_context(Connector.open(edoc_settings(of_sender["a"], dialect=theirs)))
        receiver = stack.enter_context(Connector.open(edoc_settings(of_receiver["b"], dialect=ours)))
        document = sample_document(
            sender=Organization(id=of_sender["a"], name=NAMES["a"]),
            recipients=(Organization(id=of_sender["b"], name=NAMES["b"]),),
        )
        sent = sender.send(document)
        (receipt,) = receiver.receive()
        with receipt:
            assert_fields(receipt.document, sender__id=of_receiver["a"])
            assert [one.id for one in receipt.document.recipients] == [of_receiver["b"]]
        receipt.accept()
        assert list(sender.receive()) == []
        assert_statuses(sender, sent.id, {of_sender["b"]: "03"})


def test_the_directory_of_the_older_side_has_its_codes(
    both_codes: RunningHub, edoc_settings: Callable[..., Settings], plain_http: None
) -> None:
    """The list of agencies names each by the code that packets name it by."""
    with Connector.open(edoc_settings(OLD["a"], dialect="edocservice")) as connector:
        connector.sync_agencies()
        assert [one.code for one in connector.directory()] == [OLD["a"]]


@pytest.mark.parametrize(("theirs", "ours"), [("vxp", "edocservice"), ("edocservice", "vxp")])
def test_packets_are_built_anew_by_the_side_that_gives_them_out(
    both_codes: RunningHub, edoc_settings: Callable[..., Settings], plain_http: None, theirs: str, ours: str
) -> None:
    """Across the bridge the receiver's dialect decides what is left of a packet (issue, "rebuilding on the bridge")."""
    both_codes.edocservice = EdocserviceTraps(old_codes=True, keeps_packets=False)
    codes = NEW if theirs == "vxp" else OLD
    document = sample_document(
        sender=Organization(id=codes["a"], name="Tên khác"),
        recipients=(Organization(id=codes["b"], name=NAMES["b"]),),
    )
    with Connector.open(edoc_settings(codes["a"], dialect=theirs)) as sender:
        sender.send(document)
    hub = both_codes.hub
    (packet,) = hub.storage.list_packets(message_type="edoc")
    if ours == "edocservice":  # from its database: its number, the names of its directory, less than came
        given = hub.edocservice.read_content(packet).decode()
        assert ">1</" in given.partition("DocumentId")[2][:20]
        assert all(words in given for words in (OLD["a"], OLD["b"], NAMES["a"]))
        assert not any(words in given for words in ("SteeringType", "Tên khác", f">{NEW['a']}<"))
    else:  # by the national hub's library: its own trace and order, the sender's id and names as they were
        given = hub.get_path(packet).read_bytes().decode()
        assert given.startswith('<?xml version="1.0" encoding="UTF-8"?>\r\n')
        assert all(words in given for words in (document.id, "Tên khác", f">{NEW['a']}<", f">{NEW['b']}<"))
        assert OLD["b"] not in given
