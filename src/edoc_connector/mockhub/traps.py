"""Switches for what real platforms do and their guides do not say."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class EdocserviceTraps:
    """What a provincial eDoc hub does that nobody expects; each is a switch.

    Args:
        confirms_all_statuses: whether any confirmation confirms every status that waits for the agency.
        shares_cache: whether a document and a status of one number stand in one place of its cache, so that the one
            that came last is given for both.
        keeps_packets: whether packets are given as they came; else documents are built anew, with the hub's number
            for the DocumentId and no signature.
        forwards: whether what is taken is delivered; else it is lost behind the answer, and nobody says so.
        list_method: the HTTP method of getPendingDocIds; the other is answered 405.
        min_code_length: fewest characters of an OrganId.
        first_number: the first number of documents, and of statuses.
        token_by_login: whether the token is that of the platform's login on the same port, instead of the agency's.
        old_codes: whether its agencies have the codes of QCVN 102:2016, ``000.00.05.H29`` for ``H29.05``: packets are
            translated where they cross to other dialects, by the directory's pairs of codes.
    """

    confirms_all_statuses: bool = True
    shares_cache: bool = False
    keeps_packets: bool = True
    forwards: bool = True
    list_method: Literal["GET", "POST"] = "GET"
    min_code_length: int = 0
    first_number: int = 1
    token_by_login: bool = False
    old_codes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LgspTraps:
    """What a platform does that its guide does not say; each is a switch.

    Args:
        username: name of the application's login. Empty: there is no login, as the guide has it.
        password: its password.
        token_lifetime: how long a token is good for at most.
        parallel_logins: whether two logins may be in flight at a time; else the second is answered 429.
        login_seconds: how long a login takes.
        answers: ``real`` envelopes with ``code``, or those of the ``guide`` with ``success``.
        packets: how getEdoc gives a packet: ``base64`` of the whole, ``text`` with the attachments beside it as well,
            or ``split``, with the attachments beside it only.
        window: most days that one list may ask for; None for any.
        checks_prefix: whether a packet with elements that have no prefix is lost on its way to another province.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    token_lifetime: timedelta = timedelta(minutes=30)
    parallel_logins: bool = False
    login_seconds: float = 0.0
    answers: Literal["real", "guide"] = "real"
    packets: Literal["base64", "text", "split"] = "base64"
    window: timedelta | None = timedelta(days=7)
    checks_prefix: bool = True
