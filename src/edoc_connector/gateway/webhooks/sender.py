"""The sender of messages: takes what is due from the store, sends it, and notes what came of it.

A message is told at least once: one that arrived and whose answer was lost is told again, with the same id.
"""

from __future__ import annotations

import logging
import random
import ssl
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

import httpcore

from ..._core import StopFlag, Text, describe_error, get_logger, log_exception
from ..._version import __version__
from ...config import WebhookSettings
from ...errors import ConfigError, EdocError, describe_system_error_vi
from ...store import DueMessage
from ..events import build_event, compute_message_id, find_event
from ..models import EventName, WebhookBody
from ..offices import Office, Offices
from .endpoints import load_secrets
from .signature import sign_message
from .targets import CheckedNetwork, TargetRefused

log = get_logger("edoc_connector.gateway.webhooks")

_IDLE_SECONDS = 0.5  # rest when nothing is due
_FAILURE_REST_SECONDS = 5.0
_MAX_REST_SECONDS = 60.0  # of an endpoint that does not answer, whatever its messages wait
_GONE = 410


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of a message.

    Args:
        status: HTTP status; 0 where there was no answer.
        error: what was wrong; None where nothing was.
        wait: seconds that the endpoint asks for.
    """

    status: int
    error: Text | None = None
    wait: float = 0.0

    @property
    def is_endpoint_down(self) -> bool:
        """Whether the next message would meet the same."""
        return self.status == 0 or self.status == 429 or self.status >= 500


class WebhookSender:
    """Tells endpoints of events. Several, in several processes, may work on one store.

    Args:
        offices: the agencies.
        settings: ``[gateway.webhooks]``.
    """

    def __init__(self, offices: Offices, settings: WebhookSettings) -> None:
        self._offices = offices
        self._settings = settings
        self._stack = ExitStack()
        self._threads = self._stack.enter_context(ThreadPoolExecutor(settings.concurrency, "edoc-webhooks"))
        context = _build_tls_context(offices, settings)
        self._pools = {
            is_tls: self._stack.enter_context(
                httpcore.ConnectionPool(
                    ssl_context=context,
                    max_connections=settings.concurrency,
                    network_backend=CheckedNetwork(settings, is_tls=is_tls),
                )
            )
            for is_tls in (True, False)
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def run(self, stop: StopFlag) -> None:
        """Send until told to stop."""
        while not stop.is_set():
            try:
                rest = 0.0 if self.run_once() else _IDLE_SECONDS
            except EdocError as error:
                log.warning("webhooks: %s", error)
                rest = _FAILURE_REST_SECONDS
            except Exception as error:  # a mistake of ours must not end the thread: what is claimed is free again later
                log_exception(log, logging.ERROR, "webhooks failed", error=error)
                rest = _FAILURE_REST_SECONDS
            stop.wait(rest)

    def run_once(self) -> int:
        """Send what is due, one message for each document and endpoint; return how many messages there were.

        Raises:
            StoreError: a store does not answer.
        """
        claimed = [(office, due) for office in self._offices for due in self._claim(office)]
        list(self._threads.map(lambda one: self._tell(*one), claimed))
        return len(claimed)

    def _claim(self, office: Office) -> list[DueMessage]:
        lease = timedelta(seconds=4 * self._settings.timeout)
        with office.store.snapshot() as tx:
            if not tx.webhooks.list_all(office.agency):
                return []
        with office.store.transaction() as tx:
            return tx.webhooks.claim_due(office.agency, lease=lease, limit=2 * self._settings.concurrency)

    def _tell(self, office: Office, due: DueMessage) -> None:
        name = find_event(due.change)
        if name is None or not due.webhook.wants(name):
            with office.store.transaction() as tx:
                tx.webhooks.record_unwanted(due.message)
            return
        outcome = self._send(office, due, name)
        with office.store.transaction() as tx:
            if outcome.error is None:
                tx.webhooks.record_delivered(due)
                return
            log.warning("webhook %d of %s: %s", due.webhook.id, office.agency, outcome.error.en)
            rest = self._compute_wait(due.webhook.failures, outcome, most=_MAX_REST_SECONDS)
            tx.webhooks.record_failure(
                due,
                outcome.error,
                next_attempt_at=self._find_next_attempt(due, outcome, tx.now),
                rests_until=tx.now + rest if outcome.is_endpoint_down else None,
            )
            if outcome.status == _GONE:
                tx.webhooks.record_gone(due.webhook)

    def _find_next_attempt(self, due: DueMessage, outcome: _Outcome, now: datetime) -> datetime | None:
        """Find when a message is tried again; None where it is given up."""
        if due.message.attempts + 1 >= self._settings.tries or outcome.status == _GONE:
            return None
        return now + self._compute_wait(due.message.attempts, outcome, most=self._settings.backoff_cap)

    def _compute_wait(self, failures: int, outcome: _Outcome, *, most: float) -> timedelta:
        doubled = self._settings.backoff * 2 ** min(failures, 30)
        spread = random.uniform(0.75, 1.0)  # noqa: S311  spreads load, hides nothing
        return timedelta(seconds=min(most, max(outcome.wait, doubled * spread)))

    def _send(self, office: Office, due: DueMessage, name: EventName) -> _Outcome:
        event = build_event(due.change, name)
        body = WebhookBody(type=name, timestamp=event.time, data=event).model_dump_json().encode()
        message_id = compute_message_id(office.store.identity.store, due.change)
        now = int(time.time())
        try:
            signature = sign_message(message_id, now, body, load_secrets(office, due.webhook.secret_references))
        except ConfigError as error:
            return _Outcome(0, describe_error(error))
        headers: Mapping[bytes | str, bytes | str] = {
            "content-type": "application/json",
            "user-agent": f"edoc-connector/{__version__}",
            "webhook-id": message_id,
            "webhook-timestamp": str(now),
            "webhook-signature": signature,
        }
        return self._post(due.webhook.url, headers, body)

    def _post(self, url: str, headers: Mapping[bytes | str, bytes | str], body: bytes) -> _Outcome:
        limit = self._settings.timeout
        timeouts = {"connect": limit, "read": limit, "write": limit, "pool": limit}
        pool = self._pools[url.startswith("https:")]
        try:
            with pool.stream("POST", url, headers=headers, content=body, extensions={"timeout": timeouts}) as answer:
                return _judge(answer)
        except TargetRefused as error:
            return _Outcome(0, describe_error(error))
        except _NO_ANSWER as error:
            reason = f"{type(error).__name__} {error}".strip()
            return _Outcome(0, Text(f"no answer: {reason}", f"không có trả lời: {reason}"))


_NO_ANSWER = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    ssl.SSLError,
    OSError,
)


def _judge(answer: httpcore.Response) -> _Outcome:
    """Judge an answer by its status alone; what it says besides is not read, and nowhere is followed to."""
    status = answer.status
    if 200 <= status < 300:
        return _Outcome(status)
    return _Outcome(status, Text(f"answered {status}", f"trả lời {status}"), _read_wait(answer))


def _read_wait(answer: httpcore.Response) -> float:
    found = next((value for name, value in answer.headers if name.lower() == b"retry-after"), b"")
    return float(found) if found.isdigit() and len(found) < 8 else 0.0


def _build_tls_context(offices: Offices, settings: WebhookSettings) -> ssl.SSLContext:
    first = next(iter(offices)).settings
    bundle = None if settings.ca_bundle is None else str(first.resolve(settings.ca_bundle))
    try:
        return ssl.create_default_context(cafile=bundle)
    except OSError as error:
        raise ConfigError(
            f"[gateway.webhooks] ca_bundle cannot be read: {error.strerror}.",
            vi=f"Không đọc được [gateway.webhooks] ca_bundle: {describe_system_error_vi(error)}.",
        ) from error
