"""The contract of dialects, for ``lgsp``: with the answers that platforms give, and with those of their guide."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from edoc_connector.hubs import Dialect, Lgsp
from edoc_connector.testing.hub_contract import HubContract, ScriptedAnswer


class TestLgsp(HubContract):
    """As platforms answer."""

    verdict = ("code",)
    good_verdicts: ClassVar[tuple[Any, ...]] = (200, 0)
    secrets = ("key-of-the-agency", "password-of-the-application", "token-of-the-application")
    login_path = "/apithunghiem/v1/auth/login"
    login = ScriptedAnswer(b'{"code":200,"message":"","data":{"token":"token-of-the-application"}}')

    def make_dialect(self, url: str) -> Dialect:
        return Lgsp(
            endpoint=f"{url}/apithunghiem",
            system_id="H29",
            secret="key-of-the-agency",
            username="qlvb",
            password="password-of-the-application",
        )

    def _answer(self, **values: Any) -> ScriptedAnswer:
        return ScriptedAnswer(json.dumps({"code": 200, "message": "OK", **values}).encode())

    def answer_sent(self, doc_id: str) -> ScriptedAnswer:
        return self._answer(data={"docId": doc_id, "status": "OK"})

    def answer_list(self, doc_ids: Sequence[str]) -> ScriptedAnswer:
        rows = [
            {"docId": doc_id, "messageType": None, "from": "G22", "to": "H29", "status": "initial"}
            for doc_id in doc_ids
        ]
        return self._answer(count=len(rows), data=rows)

    def answer_packet(self, doc_id: str, packet: bytes) -> ScriptedAnswer:
        return self._answer(data={"docId": doc_id, "data": base64.b64encode(packet).decode()})

    def answer_confirmed(self) -> ScriptedAnswer:
        return self._answer()

    def answer_directory(self, entries: Mapping[str, str]) -> ScriptedAnswer:
        return self._answer(data=[{"orgCode": code, "orgName": name} for code, name in entries.items()])

    def answer_refused(self) -> ScriptedAnswer:
        refusal = {"status": "error", "errorCode": "22", "errorDesc": "not edXML"}
        return ScriptedAnswer(json.dumps({"code": 400, "message": "no", "data": refusal}).encode())

    def says_nothing(self, call: str, answer: Any) -> bool:
        is_empty = isinstance(answer, dict) and answer.get("data") in (None, []) and "data" in answer
        return (is_empty and answer.get("count", 0) == 0) or (call == "agencies" and answer == [])


class TestLgspByItsGuide(TestLgsp):
    """As the guide says, and without a login."""

    verdict = ("success",)
    good_verdicts = (True,)
    login_path = ""

    def make_dialect(self, url: str) -> Dialect:
        return Lgsp(endpoint=url, system_id="H29", secret="key-of-the-agency")

    def _answer(self, **values: Any) -> ScriptedAnswer:
        return ScriptedAnswer(json.dumps({"success": True, "message": "OK", **values}).encode())

    def answer_sent(self, doc_id: str) -> ScriptedAnswer:
        return self._answer(docId=doc_id)

    def answer_packet(self, doc_id: str, packet: bytes) -> ScriptedAnswer:
        return self._answer(data={"docId": doc_id, "edxml": packet.decode()})

    def answer_refused(self) -> ScriptedAnswer:
        refusal = {"docId": None, "status": "error", "errorCode": "22", "errorDesc": "not edXML"}
        return ScriptedAnswer(json.dumps({"success": False, "message": "no", "data": refusal}).encode())
