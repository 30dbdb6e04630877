"""The sender of webhooks: what endpoints answer, and what becomes of messages then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.errors import ConfigError, InvalidQuery, StoreError
from edoc_connector.gateway import (
    Offices,
    WebhookSender,
    add_webhook,
    describe_webhooks,
    list_failures,
    remove_webhook,
    replay_webhook,
)

if TYPE_CHECKING:
    from tests.gateway.conftest import Running

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@contextmanager
def answering(status: int, told: list[str], **headers: str) -> Iterator[str]:
    """Run a receiver that answers everything so; gives its address."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            told.append(self.headers["webhook-id"])
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def quiet(run: Callable[..., Running]) -> Running:
    """A gateway that neither sends documents nor, as no endpoint is due for an hour, tells anything by itself."""
    return run(gateway={"worker": False, "webhooks": {"backoff": 3600.0, "tries": 2}})


@pytest.fixture
def secret(tmp_path: Path) -> str:
    """A reference to a secret."""
    (tmp_path / "webhook.secret").write_text(SECRET)
    return f"file:{tmp_path / 'webhook.secret'}"


def wait_for_told(quiet: Running, told: list[str], count: int) -> None:
    """Wait until so many messages were told."""
    quiet.wait_for("/changes", lambda _: len(told) >= count)


@pytest.mark.parametrize("status", [500, 400, 302, 429])
def test_what_is_not_taken_is_tried_again_later(quiet: Running, secret: str, status: int) -> None:
    """Whatever is not 2xx leaves the message in the store with its error; a redirect is followed nowhere."""
    told: list[str] = []
    with answering(status, told, location="http://127.0.0.1:1/") as url:
        row = add_webhook(quiet.office, url, secrets=[secret], events=None)
        quiet.client.post(quiet.base + "/documents", json=quiet.compose())
        wait_for_told(quiet, told, 1)
        quiet.wait_for("/changes", lambda _: list_failures(quiet.office, row.id))
    failure = list_failures(quiet.office, row.id)[0].message
    assert (failure.state, failure.attempts, failure.error_text) == ("ready", 1, f"answered {status}")
    assert len(told) == 1


def test_an_endpoint_that_is_gone_is_told_nothing_more(quiet: Running, secret: str) -> None:
    """410 ends it, as Standard Webhooks has it; a replay takes it up again, with the same id."""
    told: list[str] = []
    with answering(410, told) as url:
        row = add_webhook(quiet.office, url, secrets=[secret], events=["delivery.changed"])
        quiet.client.post(quiet.base + "/documents", json=quiet.compose())
        wait_for_told(quiet, told, 1)
        quiet.wait_for("/changes", lambda _: describe_webhooks(quiet.office)[0].row.gone_at)
        quiet.client.post(quiet.base + "/documents", json=quiet.compose("2"))
        assert describe_webhooks(quiet.office)[0].counts == {"failed": 1}
        assert replay_webhook(quiet.office, row.id) == 1
        wait_for_told(quiet, told, 2)
    assert told[0] == told[1]


def test_only_wanted_events_are_told(quiet: Running, secret: str) -> None:
    """An endpoint may want some events only; others are noted as unwanted."""
    told: list[str] = []
    with answering(204, told) as url:
        add_webhook(quiet.office, url, secrets=[secret], events=["document.received"])
        quiet.client.post(quiet.base + "/documents", json=quiet.compose())
        quiet.wait_for("/changes", lambda _: describe_webhooks(quiet.office)[0].counts == {"unwanted": 1})
    assert told == []


def test_a_message_is_given_up_after_its_tries(quiet: Running, secret: str) -> None:
    """After `tries` a message is failed, and is told again only when a person says so."""
    row = add_webhook(quiet.office, "http://127.0.0.1:9/hook", secrets=[secret], events=None)
    quiet.client.post(quiet.base + "/documents", json=quiet.compose())
    quiet.wait_for("/changes", lambda _: list_failures(quiet.office, row.id))
    settings = quiet.office.settings.gateway.webhooks.model_copy(update={"tries": 1})
    replay_webhook(quiet.office, row.id)
    with WebhookSender(Offices([quiet.office.connector]), settings) as sender:
        quiet.wait_for("/changes", lambda _: sender.run_once() or list_failures(quiet.office, row.id))
    assert list_failures(quiet.office, row.id)[0].message.error_text
    assert remove_webhook(quiet.office, row.id).id == row.id
    assert describe_webhooks(quiet.office) == []


def test_an_endpoint_is_looked_at_when_it_is_added(quiet: Running, secret: str) -> None:
    """A reference that leads nowhere, an unknown event and the same endpoint twice are errors that say so."""
    url = "https://dms.example.vn/hook"
    with pytest.raises(ConfigError):
        add_webhook(quiet.office, url, secrets=["whsec_secret"], events=None)
    with pytest.raises(InvalidQuery, match=r"delivery\.changed"):
        add_webhook(quiet.office, url, secrets=[secret], events=["delivery.moved"])
    add_webhook(quiet.office, url, secrets=[secret], events=None)
    with pytest.raises(StoreError):
        add_webhook(quiet.office, url, secrets=[secret], events=None)
