"""The contract suite finds dialects that break it: a suite that passes everything holds nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edoc_connector._core import download_part, place_download
from edoc_connector.errors import PacketRefused, ProtocolError
from edoc_connector.hubs import (
    Agency,
    Fetched,
    FileBody,
    MessageType,
    NotJsonError,
    SendResult,
    Waiting,
    WireRequest,
    parse_strict_json,
)
from edoc_connector.testing.hub_contract import HubContract, ScriptedAnswer
from edoc_connector.testing.odd_answers import iter_odd_answers


@dataclass(frozen=True)
class Careless:
    """A dialect that believes whatever comes; `faults` are those that a test has it make."""

    endpoint: str
    faults: frozenset[str] = frozenset()

    def _ask(self, path: str, body: Any = b"", *, sends: bool = False, **kwargs: Any) -> Any:
        response = yield WireRequest("POST", f"{self.endpoint}/{path}", {}, body, sends=sends, **kwargs)
        if response.status != 200 and "status" not in self.faults:
            raise ProtocolError("odd", vi="lạ")
        try:
            answer = parse_strict_json(response.body)
        except NotJsonError:
            if "empty" in self.faults:
                return {"ok": True, "rows": []}
            if "untyped" in self.faults:
                raise
            raise ProtocolError("odd", vi="lạ") from None
        if not isinstance(answer, dict) or answer.get("ok") is not True:
            if "verdict" in self.faults and isinstance(answer, dict):
                return answer
            raise PacketRefused("no", vi="không")
        return answer

    def send(
        self, packet: Path, *, message_type: MessageType, sender: str, recipients: Any = (), on_progress: Any = None
    ) -> Any:
        answer = yield from self._ask("send", FileBody(packet), sends=True)
        if not isinstance(answer.get("id"), str) or not answer["id"].strip() or answer["id"] == "null":
            raise ProtocolError("odd", vi="lạ")
        return SendResult(doc_id=answer["id"])

    def list_waiting(self, message_type: MessageType = MessageType.EDOC) -> Any:
        answer = yield from self._ask("list")
        rows = answer.get("rows")
        if not isinstance(rows, list) or not all(isinstance(one, str) and one.strip() for one in rows):
            raise ProtocolError("odd", vi="lạ")
        return tuple(Waiting(doc_id=one, message_type=message_type) for one in rows)

    def fetch(self, doc_id: str, to: Path, *, on_progress: Any = None) -> Any:
        with download_part(to) as part:
            answer = yield from self._ask("fetch")
            try:
                content = base64.b64decode(answer.get("data") or "", validate=True)
            except (ValueError, TypeError):
                content = b""
            if not content:
                raise ProtocolError("odd", vi="lạ")
            part.write_bytes(content)
            size = place_download(part, to)
        return Fetched(doc_id=doc_id, path=to, size=size, sha256="")

    def confirm(self, doc_id: str, outcome: Any = None) -> Any:
        yield from self._ask("confirm")

    def sent_state(self, message_type: Any = None, *, doc_id: str | None = None, since: Any = None) -> Any:
        yield from self._ask("sent")

    def agencies(self) -> Any:
        found = yield from self.list_waiting()
        return tuple(Agency(code=one.doc_id) for one in found)


class Contract(HubContract):
    """The contract for it; no class of tests, so that pytest does not run it by itself."""

    __test__ = False
    verdict = ("ok",)
    good_verdicts = (True,)
    faults: frozenset[str] = frozenset()

    def make_dialect(self, url: str) -> Any:
        return Careless(url, self.faults)

    def _answer(self, **values: Any) -> ScriptedAnswer:
        return ScriptedAnswer(json.dumps({"ok": True, **values}).encode())

    def answer_sent(self, doc_id: str) -> ScriptedAnswer:
        return self._answer(id=doc_id)

    def answer_list(self, doc_ids: Sequence[str]) -> ScriptedAnswer:
        return self._answer(rows=list(doc_ids))

    def answer_packet(self, doc_id: str, packet: bytes) -> ScriptedAnswer:
        return self._answer(data=base64.b64encode(packet).decode())

    def answer_confirmed(self) -> ScriptedAnswer:
        return self._answer()

    def answer_directory(self, entries: Mapping[str, str]) -> ScriptedAnswer:
        return self._answer(rows=list(entries))

    def answer_refused(self) -> ScriptedAnswer:
        return ScriptedAnswer(b'{"ok":false}')

    def says_nothing(self, call: str, answer: Any) -> bool:
        return isinstance(answer, dict) and answer.get("ok") is True and answer.get("rows") == []


CALLS = ("send", "list_waiting", "fetch", "confirm", "agencies")


@pytest.fixture
def run_contract(tmp_path: Path) -> Callable[..., None]:
    """Holds the dialect to the odd answers of a call."""
    packet = tmp_path / "packet.edxml"
    packet.write_bytes(b"<edXML/>")

    def run(call: str, *faults: str) -> None:
        contract = Contract()
        contract.faults = frozenset(faults)
        contract.test_odd_answers(call, packet, tmp_path)

    return run


@pytest.mark.parametrize("call", CALLS)
def test_a_careful_dialect_passes(call: str, run_contract: Callable[..., None]) -> None:
    """Without a fault the odd answers are all taken well."""
    run_contract(call)


@pytest.mark.parametrize(
    ("call", "fault", "said"),
    [
        *((call, "untyped", "NotJsonError") for call in CALLS),
        ("list_waiting", "empty", "an empty success"),
        ("agencies", "empty", "an empty success"),
        *((call, "status", "a success") for call in CALLS),
        *((call, "verdict", "without the hub's word") for call in CALLS),
    ],
)
def test_a_careless_one_is_found(call: str, fault: str, said: str, run_contract: Callable[..., None]) -> None:
    """Errors without a type, empty successes and successes that the hub never said are found in every call."""
    with pytest.raises(AssertionError, match=said):
        run_contract(call, fault)


def test_there_are_hundreds_of_odd_answers() -> None:
    """Two hundred different ones at least are made of the shortest answer."""
    assert len({one.answer for one in iter_odd_answers(ScriptedAnswer(b'{"ok":true}'))}) >= 200
