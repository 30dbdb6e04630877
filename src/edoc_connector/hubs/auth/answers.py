"""Answers to logins: a token, or the error that the answer means. None of them says anything about a packet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import (
    AuthenticationRejected,
    CallNotSupported,
    EdocError,
    HubError,
    HubUnavailable,
    IntermediaryAnswer,
)
from ..fields import as_json_or_text
from ..refusals import build_status_error, describe_answer
from ..strict_json import NotJsonError, parse_strict_json
from ..wire import WireResponse
from .authenticator import AccessToken, is_token_refused
from .messages import build_odd_login_error, build_refused_login_error

MAX_ANSWER = 256 * 1024

_REFUSING = frozenset({400, 401, 403, 422})
_MAX_TOKEN = 32 * 1024
_MAX_LIFETIME = 10 * 365 * 86400.0
_WORDS = ("error_description", "message", "errordesc", "error", "detail", "description")

# What these mean is the same for a login as for any call: the queue is kept. Any other error of a login is none of the
# packet's that waits for it, and must not be taken for one.
_KEPT = (AuthenticationRejected, HubUnavailable, IntermediaryAnswer, CallNotSupported)


def parse_token_answer(
    response: WireResponse, *, url: str, path: str, lifetime: float, lifetime_member: str = ""
) -> AccessToken:
    """Parse the token in the answer to a login, or raise the error that the answer means.

    Args:
        response: the answer.
        url: where it came from.
        path: names of the members that lead to the token, joined by dots.
        lifetime: seconds that the token is good for, where the answer does not say.
        lifetime_member: member of the outermost object that says it, in seconds.

    Raises:
        AuthenticationRejected: the credentials are refused.
        HubUnavailable: busy, throttled or failing inside.
        CallNotSupported: there is no login at that address.
        IntermediaryAnswer: what answered is no login.
    """
    answer = _parse_object_if_any(response)
    if response.status in _REFUSING or is_token_refused(response):
        raise build_refused_login_error(url, _find_words(answer) or describe_answer(response), code=_code(response))
    if not 200 <= response.status < 300:
        raise as_login_error(build_status_error(response, sends=False), url)
    if not answer:
        raise build_odd_login_error(url, describe_answer(response))
    value = _find_member(answer, path)
    if isinstance(value, str) and is_usable_token(value):
        return AccessToken(value=value, lifetime=_parse_lifetime(answer.get(lifetime_member), lifetime))
    if value is None and (words := _find_words(answer)):
        raise build_refused_login_error(url, words, code=_code(response))
    raise build_odd_login_error(url, f"no usable token at {path}")


def is_usable_token(value: str) -> bool:
    """Tell whether a header can carry a text as a token."""
    return 0 < len(value) <= _MAX_TOKEN and value.isascii() and value.isprintable() and " " not in value


def as_login_error(error: EdocError, url: str) -> EdocError:
    """Express an error of a login as one that keeps the packet that waits for the login.

    Args:
        error: what the login met.
        url: where.
    """
    if not isinstance(error, HubError) or isinstance(error, _KEPT):
        return error
    return build_odd_login_error(url, error.message)


def _code(response: WireResponse) -> str:
    return str(response.status)


def _parse_object_if_any(response: WireResponse) -> Mapping[str, Any]:
    try:
        answer = parse_strict_json(response.body)
    except NotJsonError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _find_member(answer: Mapping[str, Any], path: str) -> Any:
    value: Any = answer
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _find_words(answer: Mapping[str, Any]) -> str:
    """Find what a login said; its words are for a person, and a token is never among them."""
    values = {name.lower(): value for name, value in answer.items()}
    found = next((values[name] for name in _WORDS if values.get(name)), "")
    return found if isinstance(found, str) else as_json_or_text(found)[:200]


def _parse_lifetime(value: Any, default: float) -> float:
    """Parse the seconds that a token is good for; WSO2 writes huge ones for those that never end."""
    text = as_json_or_text(value)
    try:
        seconds = float(text)
    except ValueError:
        return default
    return min(seconds, _MAX_LIFETIME) if seconds > 0 else default
