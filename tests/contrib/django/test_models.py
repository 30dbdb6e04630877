"""A row and the wish to send it are committed together (in other software, points 1 and 3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction
from django.utils import timezone

from edoc_connector import Connector, DocumentError, SigningError
from edoc_connector.contrib.django import get_connector
from edoc_connector.testing import MockOffice

if TYPE_CHECKING:
    from tests.contrib.django.conftest import Letters

Work = Callable[[], None]


def _state(letter: Any) -> str | None:
    """Where it stands with the hub; None while the connector does not know it."""
    return letter.delivery and str(letter.delivery.state)


def test_a_rolled_back_transaction_sends_nothing(write_letter: Letters, g22: MockOffice, work: Work) -> None:
    """What is sent in a transaction that is rolled back is in neither database, and never at the hub."""
    letter = write_letter()

    def send_and_fail() -> None:
        with transaction.atomic():
            letter.send()
            assert list(get_connector().deliveries()) == []
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        send_and_fail()
    work()
    assert list(get_connector().deliveries()) == []
    assert g22.list_received() == []
    letter.refresh_from_db()
    assert (letter.edoc_id, _state(letter)) == ("", None)


def test_a_committed_one_is_queued_then_and_sent_by_the_worker(
    write_letter: Letters, g22: MockOffice, work: Work
) -> None:
    """The hub is not called in the request; the worker sends."""
    letter = write_letter()
    with transaction.atomic():
        letter.send()
        assert _state(letter) is None
    assert _state(letter) == "ready"
    assert g22.list_received() == []
    work()
    assert _state(letter) == "sent"
    (packet,) = g22.list_received()
    assert [file.name for file in packet.attachments] == ["cong-van.pdf"]


def test_a_process_that_dies_after_the_commit_loses_nothing(
    write_letter: Letters, g22: MockOffice, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row says that it is to be queued, and the worker's command does it, once."""
    letter = write_letter()
    with monkeypatch.context() as dying:
        dying.setattr(transaction, "on_commit", lambda *_, **__: None)
        letter.send()
    assert _state(letter) is None
    work()
    work()
    assert _state(letter) == "sent"
    assert len(g22.list_received()) == 1


def test_a_key_that_is_away_is_said_and_tried_again(
    dms: ModuleType, write_letter: Letters, g22: MockOffice, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the connector refuses after the commit stands in `edoc_error`, and is tried again after a rest."""
    letter = write_letter()

    def refuse(*_: object, **__: object) -> None:
        raise SigningError("the token is not plugged in", vi="chưa cắm thiết bị ký")

    with monkeypatch.context() as away:
        away.setattr(Connector, "queue", refuse)
        letter.send()
    letter.refresh_from_db()
    assert "not plugged in" in letter.edoc_error
    work()
    assert _state(letter) is None
    dms.Letter.objects.update(edoc_tried_at=timezone.now() - timedelta(minutes=6))
    work()
    letter.refresh_from_db()
    assert (letter.edoc_error, _state(letter)) == ("", "sent")


def test_what_is_wrong_with_a_document_is_known_before_the_commit(write_letter: Letters) -> None:
    """A document that breaks the standard is a DocumentError of `send`, and the row stays a draft."""
    letter = write_letter(subject="")
    with pytest.raises(DocumentError):
        letter.send()
    letter.refresh_from_db()
    assert letter.edoc_id == ""
