"""A probe of the hub: tell trouble with one docId from trouble with the hub.

Only what is about no packet speaks for the hub: its list, the sending of packets, the connection. After an error about
one docId that may be either's, the list is asked for: where that comes, the packet alone is in trouble.
"""

from __future__ import annotations

import threading
import time

from ..._core import get_logger
from ...errors import EdocError
from ...hubs import MessageType
from .._retry import Blame, decide_retry, find_blame
from .recording_hub import RecordingHubClient

log = get_logger("edoc_connector.connector.inbox")

_VALID_SECONDS = 5.0  # how long an answer counts: many packets may be in trouble at the same time


class HubProbe:
    """Asks the hub for its list when one docId is in trouble. May be used from any thread.

    Args:
        hub: the hub.
    """

    def __init__(self, hub: RecordingHubClient) -> None:
        self._hub = hub
        self._lock = threading.Lock()
        self._valid_until = 0.0
        self._last_error: EdocError | None = None

    def find_common_error(self, error: EdocError) -> EdocError | None:
        """Find the error that every other packet would meet too; None where only this one is in trouble.

        Args:
            error: the error that a call about one docId met.
        """
        blame = find_blame(error)
        if blame is Blame.UNCLEAR:
            return self.find_list_error()
        return error if blame is Blame.ALL else None

    def find_list_error(self) -> EdocError | None:
        """Find the error that the hub's list meets, and every other call with it; None where it comes."""
        with self._lock:
            if time.monotonic() >= self._valid_until:
                self._last_error = self._list_waiting()
                self._valid_until = time.monotonic() + _VALID_SECONDS
            return self._last_error

    def _list_waiting(self) -> EdocError | None:
        try:
            self._hub.list_waiting(MessageType.EDOC)
        except EdocError as error:
            log.warning("the hub does not answer the list either: %s", error)
            return error if decide_retry(error).opens_breaker else None
        finally:
            self._hub.clear_exchanges()  # about no packet, so for no evidence
        return None
