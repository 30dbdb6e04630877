"""The contract of dialects, for ``vxp``."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from edoc_connector.hubs import Dialect, Vxp
from edoc_connector.testing.hub_contract import HubContract, ScriptedAnswer

_OK = {"status": "OK", "ErrorCode": "0", "ErrorDesc": ""}


def _answer(**values: Any) -> ScriptedAnswer:
    return ScriptedAnswer(json.dumps(_OK | values).encode())


class TestVxp(HubContract):
    """With getEdoc, whose packets come within JSON."""

    verdict = ("status",)
    good_verdicts = ("OK",)
    secrets = ("secret-of-the-system",)

    def make_dialect(self, url: str) -> Dialect:
        return Vxp(endpoint=url, system_id="H29", secret="secret-of-the-system", fetch_with="getEdoc")

    def answer_sent(self, doc_id: str) -> ScriptedAnswer:
        return _answer(DocId=doc_id)

    def answer_list(self, doc_ids: Sequence[str]) -> ScriptedAnswer:
        return _answer(data=[{"docId": doc_id, "from": "G22", "to": "H29", "status": "initial"} for doc_id in doc_ids])

    def answer_packet(self, doc_id: str, packet: bytes) -> ScriptedAnswer:
        return _answer(data=base64.b64encode(packet).decode())

    def answer_confirmed(self) -> ScriptedAnswer:
        return _answer()

    def answer_directory(self, entries: Mapping[str, str]) -> ScriptedAnswer:
        return _answer(data=[{"id": code, "pid": "", "code": code, "name": name} for code, name in entries.items()])

    def answer_refused(self) -> ScriptedAnswer:
        return ScriptedAnswer(b'{"status":"FAIL","ErrorCode":"22","ErrorDesc":"no MessageHeader"}')

    def answer_denied(self) -> ScriptedAnswer:
        return ScriptedAnswer(b'{"status":"FAIL","ErrorCode":"15","ErrorDesc":"wrong secret"}')

    def says_nothing(self, call: str, answer: Any) -> bool:
        return isinstance(answer, dict) and "data" in answer and answer["data"] in (None, [])


class TestVxpRaw(TestVxp):
    """With downloadEdoc, whose answer is the packet."""

    fetches_raw = True

    def make_dialect(self, url: str) -> Dialect:
        return Vxp(endpoint=url, system_id="H29", secret="secret-of-the-system")

    def answer_packet(self, doc_id: str, packet: bytes) -> ScriptedAnswer:
        return ScriptedAnswer(packet, content_type="application/octet-stream")
