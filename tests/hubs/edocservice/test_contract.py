"""The contract of dialects, for ``edocservice``: with the list of later hubs, and with that of older ones."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from edoc_connector.hubs import Dialect, Edocservice
from edoc_connector.testing.hub_contract import HubContract, ScriptedAnswer


class TestEdocservice(HubContract):
    """With a token of the agency's own."""

    verdict = ("status",)
    good_verdicts: ClassVar[tuple[Any, ...]] = ("Success",)
    secrets = ("token-of-the-agency",)
    status_prefix = "status-"

    def make_dialect(self, url: str) -> Dialect:
        return Edocservice(endpoint=f"{url}/EdocService", system_id="000.00.05.H29", secret="token-of-the-agency")

    def _answer(self, **values: Any) -> ScriptedAnswer:
        return ScriptedAnswer(json.dumps({"status": "Success", "code": "0", "errors": [], **values}).encode())

    def answer_sent(self, doc_id: str) -> ScriptedAnswer:
        return self._answer(docId=int(doc_id))

    def answer_list(self, doc_ids: Sequence[str]) -> ScriptedAnswer:
        rows = [{"docId": int(one), "organId": code} for one in doc_ids for code in ("000.00.05.H29", "G22")]
        return self._answer(data=rows)

    def answer_packet(self, doc_id: str, packet: bytes) -> ScriptedAnswer:
        return self._answer(data=base64.b64encode(packet).decode())

    def answer_confirmed(self) -> ScriptedAnswer:
        return self._answer()

    def answer_directory(self, entries: Mapping[str, str]) -> ScriptedAnswer:
        rows = [{"organId": code, "organName": name, "email": None} for code, name in entries.items()]
        return self._answer(organizations=rows)

    def answer_refused(self) -> ScriptedAnswer:
        errors = [{"code": "N.MessageHeader.Subject", "description": "Subject is required"}]
        return ScriptedAnswer(json.dumps({"docId": 0, "status": "Fail", "code": "9999", "errors": errors}).encode())

    def answer_denied(self) -> ScriptedAnswer:
        errors = [{"code": "Invalid Credentials", "description": "token"}]
        return ScriptedAnswer(json.dumps({"status": "False", "code": "9999", "errors": errors}).encode(), 401)

    def says_nothing(self, call: str, answer: Any) -> bool:
        lists = [answer.get("data"), answer.get("docIDs")] if isinstance(answer, dict) else []
        return call == "list_waiting" and [] in lists and not any(lists)


class TestOlderEdocservice(TestEdocservice):
    """With the list that the vendor's own client reads."""

    def answer_list(self, doc_ids: Sequence[str]) -> ScriptedAnswer:
        return self._answer(docIDs=[int(one) for one in doc_ids for _ in range(2)])
