"""Answers of a provincial eDoc hub: the verdict, and the values inside.

Success is ``status`` = Success and no errors. ``code`` alone says nothing: the hub writes 0 beside errors too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..._core import get_logger
from ...errors import HubError, HubUnavailable
from ..fields import as_json_or_text, as_text, parse_identifier
from ..messages import build_protocol_error
from ..refusals import RefusalMeaning, build_denial, build_refusal, build_status_error
from ..results import Agency, MessageType, Waiting
from ..strict_json import parse_object, parse_object_if_any, require_rows
from ..wire import WireResponse
from .calls import AGENCIES, EXISTS, LIST, SEND, Call
from .doc_ids import build_doc_id, parse_number
from .messages import FIELD_OUT_OF_RANGE, INNER_FAILURE, MEANING_BY_CODE, MISSING_FIELD, UNAVAILABLE

log = get_logger("edoc_connector.hubs.edocservice")

_GOOD_STATE = "success"
_BAD_STATES = frozenset({"fail", "error", "false"})
_DENIED_CODES = frozenset({"Invalid Credentials", "Unauthorized"})
_INNER_CODES = frozenset({"InternalServer"})
_TRACE_CODE = "M.UpdateTraces"
_TRACE_WORDS = "exist trace"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer says.

    Args:
        is_success: None where it says neither yes nor no.
        errors: code and description of each error.
        code: its own ``code``.
    """

    is_success: bool | None
    errors: tuple[tuple[str, str], ...]
    code: str

    @property
    def is_denied(self) -> bool:
        """Whether the hub does not let us in."""
        return any(code in _DENIED_CODES for code, _ in self.errors)

    @property
    def is_inner_failure(self) -> bool:
        """Whether the hub failed inside: it says so, or gives no error at all."""
        return self.is_success is False and (not self.errors or any(code in _INNER_CODES for code, _ in self.errors))

    @property
    def is_known_trace(self) -> bool:
        """Whether all that the hub says is that it has this status already."""
        return bool(self.errors) and all(
            code == _TRACE_CODE and _TRACE_WORDS in words.lower() for code, words in self.errors
        )


def parse_envelope(response: WireResponse, call: Call) -> Mapping[str, Any]:
    """Parse the JSON object of a successful answer, or raise the error that the answer means.

    Raises:
        HubError: the hub refused.
        OutcomeUnknown: the call handed something over, and the answer is empty, cut off, or a 5xx.
        ProtocolError: the answer is not the hub's.
    """
    if not 200 <= response.status < 300:
        raise _build_failure(response, call)
    answer = parse_object(response, call.name, sends=call.sends)
    verdict = judge(answer)
    if verdict.is_success is None:
        raise build_protocol_error(call.name, "it says neither yes nor no: no usable status")
    if not verdict.is_success and not (call is SEND and verdict.is_known_trace):
        raise _build_refusal(verdict, response, call)
    return answer


def fails_inside(response: WireResponse) -> bool:
    """Tell whether an answer with HTTP 200 says that the hub failed inside, so that it is asked once more."""
    return 200 <= response.status < 300 and judge(parse_object_if_any(response)).is_inner_failure


def parse_sent(response: WireResponse, message_type: MessageType) -> str:
    """Parse the docId of an answer to a send; empty for a status that the hub has already, and does not number.

    Raises:
        ProtocolError: it is no number above 0.
    """
    answer = parse_envelope(response, SEND)
    number = parse_number(answer.get("docId"))
    if number is not None:
        return build_doc_id(number, message_type)
    if judge(answer).is_known_trace:
        return ""
    raise build_protocol_error(SEND.name, "it has no docId that is a number above 0")


def parse_waiting(answer: Mapping[str, Any], message_type: MessageType) -> tuple[Waiting, ...]:
    """Parse a list, in either of its forms: distinct docIds, though it has a row for each recipient.

    A row without a usable docId is logged and left out: it must not hold up the others.
    """
    values = [row.get("docId") for row in require_rows(answer.get("data"), LIST.name, "data")]
    numbers = answer.get("docIDs")
    if numbers is not None and not isinstance(numbers, list):
        raise build_protocol_error(LIST.name, "its docIDs is no list")
    if numbers is None and answer.get("data") is None:
        raise build_protocol_error(LIST.name, "it has neither data nor docIDs")
    values += numbers or []
    usable = dict.fromkeys(number for value in values if (number := parse_number(value)) is not None)
    wrong = sum(parse_number(value) is None for value in values)
    if wrong:
        log.warning("%s: %d of %d rows have no usable docId", LIST.name, wrong, len(values))
    if values and not usable:
        raise build_protocol_error(LIST.name, "no row of it has a usable docId")
    return tuple(Waiting(doc_id=build_doc_id(number, message_type), message_type=message_type) for number in usable)


def parse_agencies(answer: Mapping[str, Any]) -> tuple[Agency, ...]:
    """Parse the directory: an organisation and what is below it; entries without a code are left out."""
    rows = require_rows(answer.get("organizations"), AGENCIES.name, "organizations")
    usable = [entry for row in rows if (entry := _build_agency(row)) is not None]
    if len(usable) < len(rows):
        log.warning("%s: %d of %d entries have no usable code", AGENCIES.name, len(rows) - len(usable), len(rows))
    if not usable:  # the organisation that was asked about is one itself
        raise build_protocol_error(AGENCIES.name, "no entry of it has a usable code")
    return tuple(usable)


def parse_existence(response: WireResponse) -> bool:
    """Parse whether the hub has a document: ``isExist``, or a bare ``result``."""
    bare = parse_object_if_any(response).get("result") if response.status == 200 else None
    if isinstance(bare, bool):
        return bare
    found = parse_envelope(response, EXISTS).get("isExist")
    if not isinstance(found, bool):
        raise build_protocol_error(EXISTS.name, "it has neither isExist nor result")
    return found


def _build_agency(row: Mapping[str, Any]) -> Agency | None:
    code = parse_identifier(row.get("organId"))
    if code is None:
        return None
    return Agency(
        code=code,
        name=_as_name(row.get("organName")),
        mail=_as_name(row.get("email")),
    )


def _as_name(value: Any) -> str:
    return as_text(as_json_or_text(value)).strip()


# --- The verdict. ---


def judge(answer: Mapping[str, Any]) -> Verdict:
    """Judge an answer: success, refusal, or neither."""
    state = as_json_or_text(answer.get("status")).strip().lower()
    errors = tuple(_parse_errors(answer.get("errors")))
    is_success = (not errors) if state == _GOOD_STATE else False if state in _BAD_STATES else None
    return Verdict(is_success=is_success, errors=errors, code=as_json_or_text(answer.get("code")).strip())


def _parse_errors(errors: Any) -> list[tuple[str, str]]:
    rows = errors if isinstance(errors, list) else [errors] if errors else []
    return [_parse_error(row) for row in rows]


def _parse_error(row: Any) -> tuple[str, str]:
    if not isinstance(row, dict):
        return "", as_json_or_text(row)
    code, words = (next((row[name] for name in names if row.get(name)), "") for names in _ERROR_MEMBERS)
    return as_json_or_text(code).strip(), as_json_or_text(words).strip()


_ERROR_MEMBERS = (("code", "errorCode"), ("description", "errorDescription"))


def _build_refusal(verdict: Verdict, response: WireResponse, call: Call) -> HubError:
    if verdict.is_denied:
        return build_denial(response)
    code = verdict.errors[0][0] if verdict.errors else verdict.code
    words = "; ".join(f"{error}: {text}".strip(": ") for error, text in verdict.errors)
    meaning = _find_inner_meaning(call) if verdict.is_inner_failure else find_meaning(verdict)
    return build_refusal(code, words, sends=call.sends, answer=response, meaning=meaning)


def _find_inner_meaning(call: Call) -> RefusalMeaning:
    return INNER_FAILURE if call.sends else UNAVAILABLE


def find_meaning(verdict: Verdict) -> RefusalMeaning | None:
    """Find the meaning of the first error that has one: of its code, or of the family that it is of."""
    return next((found for code, _ in verdict.errors if (found := _find_code_meaning(code)) is not None), None)


def _find_code_meaning(code: str) -> RefusalMeaning | None:
    if code.startswith("N."):
        return MISSING_FIELD
    if code.startswith("R."):
        return FIELD_OUT_OF_RANGE
    return MEANING_BY_CODE.get(code) or (MEANING_BY_CODE["DocID"] if code.startswith("GetDocument") else None)


def _build_failure(response: WireResponse, call: Call) -> Exception:
    """Build the error for an HTTP status that is no success; the hub's own words in a 4xx say more than the status."""
    verdict = judge(parse_object_if_any(response))
    is_refusal = verdict.is_success is False
    if is_refusal and response.status < 500 and find_meaning(verdict) is not None:
        refusal = _build_refusal(verdict, response, call)
        if not isinstance(refusal, HubUnavailable):
            return refusal
    return build_status_error(response, sends=call.sends, is_hub_form=is_refusal)
