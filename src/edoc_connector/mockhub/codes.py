"""Codes of the hub's refusals, and the forms of its times.

Every refusal is HTTP 200 with ``{"status": "FAIL", "ErrorCode": …, "ErrorDesc": …}``: a client that looks at the HTTP
status alone must fail its tests here as it would fail against a hub (VXP interface, "Calls").
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Final

VIETNAM: Final = timezone(timedelta(hours=7))
_TIMESTAMP = re.compile(r"\d{8}T\d{6}\+\d{4}", re.ASCII)


class ErrorCode(StrEnum):
    """Values of ``ErrorCode``; deleteAgency too answers ``UNKNOWN_AGENCY`` to a code that is not there."""

    OK = "0"
    AUTHENTICATION = "15"  # wrong systemid, HMAC or secret, or a header changed after signing
    CLOCK = "16"
    UNKNOWN_AGENCY = "18"
    UNKNOWN_SENDER = "19"
    SYSTEM = "20"
    PROCESSING = "21"
    NOT_EDXML = "22"
    LOCKED = "23"
    HASH = "24"
    EXISTS = "25"
    NO_SUCH_DOC = "26"
    MALFORMED = "27"  # a header or parameter missing or not of its form
    NOT_ALLOWED = "28"


class RefusedError(Exception):
    """A refusal by the hub.

    Args:
        code: the ``ErrorCode`` of the answer.
        text: the ``ErrorDesc``; goes to the caller, so it never holds a secret.
    """

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(f"{code.value}: {text}")
        self.code = code
        self.text = text


def format_hub_time(moment: datetime) -> str:
    """Format a time as JSON answers carry it: ``yyyy-MM-dd HH:mm:ss``, Vietnam time, no offset."""
    return moment.astimezone(VIETNAM).strftime("%Y-%m-%d %H:%M:%S")


def format_packet_time(moment: datetime) -> str:
    """Format a time as packets carry it: ``yyyy/MM/dd HH:mm:ss``, Vietnam time, no offset."""
    return moment.astimezone(VIETNAM).strftime("%Y/%m/%d %H:%M:%S")


def parse_request_time(text: str) -> datetime:
    """Read the signed ``timestamp``: ``ddMMyyyy'T'HHmmss+SSSS``, Vietnam time, SSSS milliseconds.

    Raises:
        ValueError: not of that form, or not a time.
    """
    if not _TIMESTAMP.fullmatch(text) or int(text[16:]) > 999:
        raise ValueError(text)
    moment = datetime.strptime(text[:15], "%d%m%YT%H%M%S").replace(tzinfo=VIETNAM)
    try:
        return (moment + timedelta(milliseconds=int(text[16:]))).astimezone(UTC)
    except OverflowError as error:  # the first and the last hours that a datetime can hold
        raise ValueError(text) from error


def parse_window_time(text: str) -> datetime | None:
    """Read ``fromDate`` or ``toDate``: ``dd/MM/yyyy HH:mm:ss`` or the day alone, Vietnam time; None if unreadable."""
    for pattern in ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y"):
        try:
            return datetime.strptime(text.strip(), pattern).replace(tzinfo=VIETNAM).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None
