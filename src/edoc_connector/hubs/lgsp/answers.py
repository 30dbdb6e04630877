"""Answers of a provincial platform: the envelope in both of its shapes, and the rows inside.

The real shape has ``code`` (200 or 0), ``data`` and ``errorDetail``, the guide's ``success``. Where an answer has both,
both must say yes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..._core import get_logger
from ...errors import EdocError, HubError, HubUnavailable
from ..fields import as_json_or_text, as_text, parse_identifier, parse_time
from ..messages import build_protocol_error
from ..refusals import build_denial, build_refusal, build_status_error, build_unavailable_error, is_known_refusal
from ..results import Agency, MessageType, Waiting
from ..strict_json import (
    Fields,
    NotJsonError,
    convert_fields,
    parse_message_type,
    parse_object,
    parse_object_if_any,
    parse_strict_json,
    require_rows,
)
from ..wire import WireResponse
from .calls import Call

log = get_logger("edoc_connector.hubs.lgsp")

_GOOD_CODES = frozenset({"200", "0"})
_GOOD_STATES = frozenset({"", "OK", "SUCCESS"})
_DENIED_CODES = frozenset({"401", "403"})
_BUSY_CODES = frozenset({"429", "503"})
_WAITING_STATES = frozenset({"", "initial", "processing"})
_FLAGS = {"true": True, "false": False}

_WAITING_FIELDS: Fields = {
    "service_type": ("serviceType", as_json_or_text),
    "sender": ("from", as_json_or_text),
    "recipient": ("to", as_json_or_text),
    "created_at": ("createdTime", parse_time),
    "created_text": ("createdTime", as_json_or_text),
    "updated_at": ("updatedTime", parse_time),
    "updated_text": ("updatedTime", as_json_or_text),
    "status": ("status", as_json_or_text),
    "status_desc": ("statusDesc", as_json_or_text),
}


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What an envelope says.

    Args:
        is_success: None where it says neither yes nor no.
        code: the errorCode; empty where it is missing or 0.
        outer_code: the envelope's own ``code``.
        words: what it says to people.
        is_whole: whether it has more of the platform's form than a bare ``code``, which gateways write too.
    """

    is_success: bool | None
    code: str
    outer_code: str
    words: str
    is_whole: bool


def parse_envelope(response: WireResponse, call: Call) -> Mapping[str, Any]:
    """Parse the JSON object of a successful answer, or raise the error that the answer means.

    Raises:
        HubError: the platform refused; final where it gave no errorCode.
        OutcomeUnknown: the call handed something over, and the answer is empty, cut off, or a 5xx without a known code.
        ProtocolError: the answer is not the platform's.
    """
    if not 200 <= response.status < 300:
        return _parse_failed_answer(response, call)
    if is_denied_text(response):
        raise build_denial(response)
    answer = parse_object(response, call.name, sends=call.sends)
    verdict = _judge(answer)
    if verdict.is_success is None:
        raise build_protocol_error(call.name, "it says neither yes nor no: no usable code or success")
    if not verdict.is_success and not _is_done_before(call, verdict):
        raise _build_refusal(verdict, response, call)
    return answer


def is_denied_text(response: WireResponse) -> bool:
    """Tell whether an answer is the gateway's plain text ``Unauthorized``, whatever its HTTP status."""
    return response.body.strip().lower() == b"unauthorized"


def parse_doc_id(answer: Mapping[str, Any], call: Call) -> str:
    """Parse the docId of an answer to a send: at the root, or in ``data``.

    Raises:
        ProtocolError: it is missing, no id at all, or there are two.
    """
    data = answer.get("data")
    places = [answer, data] if isinstance(data, dict) else [answer]
    values = [value for place in places for name, value in place.items() if name.lower() == "docid"]
    found = {parse_identifier(value) for value in values if value is not None}
    doc_id = next(iter(found)) if len(found) == 1 else None
    if doc_id is None or doc_id.lower() == "null":
        raise build_protocol_error(call.name, "it has no docId that is a number or a text of printable characters")
    return doc_id


def parse_waiting(answer: Mapping[str, Any], call: Call, requested_type: MessageType) -> tuple[Waiting, ...]:
    """Parse the rows of a list. One without a usable docId is logged and left out: it must not hold up the others."""
    if "data" not in answer and as_json_or_text(answer.get("count")).strip() != "0":
        raise build_protocol_error(call.name, "it has no data")
    rows = require_rows(answer.get("data"), call.name, "data")
    if not rows and as_json_or_text(answer.get("count")).strip() not in ("", "0"):
        raise build_protocol_error(call.name, "it counts packets and lists none")
    usable = [(row, found) for row in rows if (found := parse_identifier(row.get("docId"))) is not None]
    if len(usable) < len(rows):
        log.warning("%s: %d of %d rows have no usable docId", call.name, len(rows) - len(usable), len(rows))
    if rows and not usable:
        raise build_protocol_error(call.name, "no row of it has a usable docId")
    return tuple(_build_waiting(row, found, requested_type) for row, found in usable)


def parse_agencies(response: WireResponse, call: Call) -> tuple[Agency, ...]:
    """Parse the directory: an array, or ``data`` of an envelope; entries without a code are left out."""
    rows = require_rows(_parse_directory(response, call), call.name, "data")
    usable = [entry for row in rows if (entry := _build_agency(row)) is not None]
    if len(usable) < len(rows):
        log.warning("%s: %d of %d entries have no usable code", call.name, len(rows) - len(usable), len(rows))
    if rows and not usable:
        raise build_protocol_error(call.name, "no entry of it has a usable code")
    return tuple(usable)


def require_packet_data(answer: Mapping[str, Any], call: Call, doc_id: str) -> Mapping[str, Any]:
    """Require the object around a packet, and that it is about the docId that was asked for.

    Raises:
        ProtocolError: it is not.
    """
    data = answer.get("data")
    if not isinstance(data, dict):
        raise build_protocol_error(call.name, "its data is no object")
    told = data.get("docId")
    if told is not None and as_json_or_text(told).strip() not in ("", doc_id):
        raise build_protocol_error(call.name, "it is about another docId than was asked for")
    return data


def _build_waiting(row: Mapping[str, Any], doc_id: str, requested_type: MessageType) -> Waiting:
    fields = convert_fields(row, _WAITING_FIELDS)
    return Waiting(
        doc_id=doc_id,
        message_type=parse_message_type(row.get("messageType"), requested_type),
        is_waiting=fields["status"].strip().lower() in _WAITING_STATES,
        **fields,
    )


def _parse_directory(response: WireResponse, call: Call) -> Any:
    if 200 <= response.status < 300:
        try:
            found = parse_strict_json(response.body)
        except NotJsonError:
            found = None
        if isinstance(found, list):
            return found
    answer = parse_envelope(response, call)
    if "data" not in answer:
        raise build_protocol_error(call.name, "it has no data")
    return answer["data"]


def _build_agency(row: Mapping[str, Any]) -> Agency | None:
    """Build an entry of the directory; its code is its id, as the platform names the one above by its code."""
    code = parse_identifier(_choose(row, "orgCode", "code"))
    if code is None:
        return None
    return Agency(
        code=code,
        id=code,
        name=as_text(_choose(row, "orgName", "name")),
        parent_id=as_text(_choose(row, "parentCode", "pid")),
        mail=as_text(_choose(row, "email", "mail")),
    )


def _choose(row: Mapping[str, Any], *names: str) -> Any:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


# --- The verdict. ---


def _judge(answer: Mapping[str, Any]) -> _Verdict:
    values = {name.lower(): value for name, value in answer.items()}
    data = values.get("data")
    inner = {name.lower(): value for name, value in data.items()} if isinstance(data, dict) else {}
    outer_code, state = _as_code(values.get("code")), as_json_or_text(inner.get("status")).strip().upper()
    says = [_judge_code(outer_code) if "code" in values else None, _parse_success(values)]
    if ("code" in values and outer_code is None) or says == [None, None]:
        is_success = None
    else:
        is_success = False not in says and not values.get("errordetail") and state in _GOOD_STATES
    code = _as_code(inner.get("errorcode") or values.get("errorcode")) or ""
    return _Verdict(
        is_success=is_success,
        code="" if code == "0" else code,
        outer_code=outer_code or "",
        words=_collect_words(values, inner),
        is_whole="success" in values or "data" in values or "errordetail" in values,
    )


def _as_code(value: Any) -> str | None:
    """Read a code, a number or a text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return str(value).strip() or None


def _judge_code(code: str | None) -> bool | None:
    return None if code is None else code in _GOOD_CODES


def _parse_success(values: Mapping[str, Any]) -> bool | None:
    value = values.get("success")
    if isinstance(value, bool):
        return value
    return _FLAGS.get(value.strip().lower()) if isinstance(value, str) else None


def _collect_words(values: Mapping[str, Any], inner: Mapping[str, Any]) -> str:
    details = values.get("errordetail")
    rows = details if isinstance(details, list) else [details]
    exceptions = [row.get("exception") if isinstance(row, dict) else row for row in rows]
    words = (values.get("message"), inner.get("errordesc"), *exceptions)
    return "; ".join(dict.fromkeys(text for word in words if (text := as_json_or_text(word).strip())))


def _build_refusal(verdict: _Verdict, response: WireResponse, call: Call) -> HubError:
    """Build the error for a refusal: by its errorCode, by a code that says who refused, else for good."""
    if not verdict.code and verdict.outer_code in _DENIED_CODES:
        return build_denial(response)
    if not verdict.code and verdict.outer_code in _BUSY_CODES:
        return build_unavailable_error(response, verdict.words)
    return build_refusal(verdict.code, verdict.words, sends=call.sends, answer=response)


def _is_done_before(call: Call, verdict: _Verdict) -> bool:
    return call.done_before is not None and bool(call.done_before.search(verdict.words))


def _parse_failed_answer(response: WireResponse, call: Call) -> Mapping[str, Any]:
    """Raise for an HTTP status that is no success; the platform's own code in the body says more than the status."""
    answer = parse_object_if_any(response)
    verdict = _judge(answer)
    is_refusal = verdict.is_success is False and verdict.is_whole
    if response.status < 500 and is_refusal and _is_done_before(call, verdict):
        return answer
    if is_refusal and is_known_refusal(verdict.code, verdict.words):
        refusal = build_refusal(verdict.code, verdict.words, sends=call.sends, answer=response)
        # a platform that failed inside may have failed after it took the packet
        if not (call.sends and response.status >= 500 and isinstance(refusal, HubUnavailable)):
            raise refusal
    if verdict.is_success and response.status < 500:
        raise build_protocol_error(call.name, f"it says yes, and HTTP {response.status}")
    raise _build_status_error(verdict, response, call, is_refusal=is_refusal)


def _build_status_error(verdict: _Verdict, response: WireResponse, call: Call, *, is_refusal: bool) -> EdocError:
    error = build_status_error(response, sends=call.sends, is_hub_form=is_refusal)
    refusal = build_refusal(verdict.code, verdict.words, sends=call.sends, answer=response)
    # the platform's own words say more than the table's, where both say the same
    return refusal if is_refusal and type(error) is type(refusal) else error
