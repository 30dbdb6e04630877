"""The admin shows what happened and answers by buttons: POST, a token, and the right to change (point 3)."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from edoc_connector.contrib.django import get_connector
from edoc_connector.edxml import StatusMessage, read
from edoc_connector.testing import MockOffice, RunningHub

if TYPE_CHECKING:
    from tests.contrib.django.conftest import Letters

Work = Callable[[], None]


@pytest.fixture
def incoming(dms: ModuleType, g22: MockOffice, work: Work) -> Any:
    """A document that came in."""
    g22.send(subject="Kế hoạch năm 2027")
    work()
    return dms.Incoming.objects.get()


def _page(client: Client, kind: str, row: Any, **options: Any) -> str:
    return client.get(f"/admin/dms/{kind}/{row.pk}/change/", **options).content.decode()


def _press(client: Client, kind: str, row: Any, action: str, **values: str) -> Any:
    return client.post(f"/admin/dms/{kind}/{row.pk}/edoc/{action}/", values, follow=True)


def test_a_document_is_accepted_by_a_button(
    clerk: Client, incoming: Any, g22: MockOffice, work: Work, mock_hub: RunningHub
) -> None:
    """03 is queued in the officer's name, leaves with the worker, and is then offered no more."""
    assert "Accept (03)" in _page(clerk, "incoming", incoming)
    assert "queued" in _press(clerk, "incoming", incoming, "accept").content.decode()
    assert g22.list_statuses(incoming.edoc_id) == ["01"]
    work()
    assert g22.list_statuses(incoming.edoc_id) == ["01", "03"]
    assert "Accept (03)" not in _page(clerk, "incoming", incoming)
    accepted = read(mock_hub.packets()[-1].path).message
    assert isinstance(accepted, StatusMessage)
    assert accepted.staff is not None
    assert accepted.staff.staff == "Trần Văn An"


def test_a_rejection_needs_a_reason(clerk: Client, incoming: Any, g22: MockOffice, work: Work) -> None:
    """Without one the error is shown and nothing is sent; with one 02 goes out."""
    _press(clerk, "incoming", incoming, "reject")
    work()
    assert g22.list_statuses(incoming.edoc_id) == ["01"]
    _press(clerk, "incoming", incoming, "reject", reason="Sai thẩm quyền")
    work()
    assert g22.list_statuses(incoming.edoc_id) == ["01", "02"]


def test_a_recall_is_agreed_to_by_a_button(clerk: Client, incoming: Any, g22: MockOffice, work: Work) -> None:
    """The buttons of 15 and 16 are there once the sender asks, and only then."""
    assert "(15)" not in _page(clerk, "incoming", incoming)
    g22.recall(incoming.edoc_id)
    work()
    assert "Refuse the change (16)" in _page(clerk, "incoming", incoming)
    _press(clerk, "incoming", incoming, "agree")
    work()
    assert g22.list_statuses(incoming.edoc_id)[-1] == "15"


def test_a_button_is_a_form_with_a_token(clerk: Client, incoming: Any, g22: MockOffice, work: Work) -> None:
    """A link cannot press it (405), nor another site's form (403), nor a user who may only look (403)."""
    from django.contrib.auth.models import Permission, User

    address = f"/admin/dms/incoming/{incoming.pk}/edoc/accept/"
    assert clerk.get(address).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="an"))
    assert strict.post(address).status_code == 403
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', _page(strict, "incoming", incoming))
    viewer = User.objects.create_user("binh", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_incoming"))
    watching = Client()
    watching.force_login(viewer)
    assert "Accept (03)" not in _page(watching, "incoming", incoming)
    assert watching.post(address).status_code == 403
    assert Client().post(address).status_code == 302  # to the login
    assert clerk.post(f"/admin/dms/incoming/{incoming.pk}/edoc/delete/").status_code == 403
    work()
    assert g22.list_statuses(incoming.edoc_id) == ["01"]
    assert token is not None
    assert strict.post(address, {"csrfmiddlewaretoken": token[1]}).status_code == 302


def test_a_letter_is_sent_by_a_button_and_shows_its_history(
    clerk: Client, write_letter: Letters, g22: MockOffice, work: Work
) -> None:
    """A draft has the button; what was sent has its history and where it stands, and cannot be changed."""
    letter = write_letter()
    assert 'name="subject"' in _page(clerk, "letter", letter)
    _press(clerk, "letter", letter, "send")
    work()
    g22.accept(letter.as_document().id, "Vào sổ số 12")
    work()
    page = _page(clerk, "letter", letter)
    assert 'name="subject"' not in page
    assert "Vào sổ số 12" in page
    assert "edoc/send" not in page
    listed = clerk.get("/admin/dms/letter/").content.decode()
    assert ">sent<" in listed
    assert ">03<" in listed


def test_what_the_hub_refused_is_corrected_and_sent_again(
    clerk: Client, write_letter: Letters, g22: MockOffice, work: Work
) -> None:
    """A letter to nobody fails, can be changed, and goes out by the same button."""
    letter = write_letter(recipient="H99.99")
    _press(clerk, "letter", letter, "send")
    work()
    assert "edoc/send" in _page(clerk, "letter", letter)
    letter.refresh_from_db()
    letter.recipient = g22.code
    letter.save()
    _press(clerk, "letter", letter, "send")
    work()
    assert len(g22.list_received()) == 1


def test_an_error_is_shown_in_the_language_of_the_browser(clerk: Client, write_letter: Letters) -> None:
    """Labels, buttons, history and errors are Vietnamese where the browser asks for that."""
    letter = write_letter(subject="")
    vietnamese = {"HTTP_ACCEPT_LANGUAGE": "vi"}
    page = _page(clerk, "letter", letter, **vietnamese)
    assert "Gửi</button>" in page
    address = f"/admin/dms/letter/{letter.pk}/edoc/send/"
    said = clerk.post(address, follow=True, **vietnamese).content.decode()
    assert "Subject" in said
    assert "errornote" in said or 'class="error"' in said
    assert list(get_connector().deliveries()) == []


def test_the_history_is_that_of_its_own_sender(
    clerk: Client, dms: ModuleType, g22: MockOffice, edoc_office: Callable[..., MockOffice], work: Work
) -> None:
    """Two senders may use one DocumentId: each row's page tells of its own document."""
    document_id = g22.send(subject="Của G22")
    h30 = edoc_office("H30")
    h30.send(id=document_id, subject="Của H30")
    work()
    for row in dms.Incoming.objects.all():
        told = re.search(rf"from {row.sender}: [^<]*", _page(clerk, "incoming", row))
        assert told is not None
        assert row.subject in told[0]
    assert {row.subject for row in dms.Incoming.objects.all()} == {"Của G22", "Của H30"}
