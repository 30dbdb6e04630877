"""The contract of dialects, for ``edoc-soap``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import edoc_soap
from edoc_connector.hubs import Dialect
from edoc_connector.testing.hub_contract import HubContract, ScriptedAnswer
from soap_hub import REPORT, refuse, wrap


def answer(body: str, attachment: bytes | None = None) -> ScriptedAnswer:
    """Make a scripted answer of what the hub of these tests would say."""
    content_type, content = wrap(body, attachment)
    return ScriptedAnswer(content, content_type=content_type)


class TestEdocSoap(HubContract):
    """The dialect as a configuration makes it."""

    good_verdicts: ClassVar[tuple[Any, ...]] = ("true",)
    secrets = ("token-of-the-agency",)
    numbers_statuses = False

    def make_dialect(self, url: str) -> Dialect:
        return edoc_soap.EdocSoap(endpoint=f"{url}/edoc", system_id="000.00.05.H29", secret="token-of-the-agency")

    def answer_sent(self, doc_id: str) -> ScriptedAnswer:
        return answer(f"<SendDocumentResponse>{REPORT}<DocId>{doc_id}</DocId></SendDocumentResponse>")

    def answer_status_sent(self, doc_id: str) -> ScriptedAnswer:
        return answer(REPORT)

    def answer_list(self, doc_ids: Sequence[str]) -> ScriptedAnswer:
        rows = "".join(f"<DocumentId>{doc_id}</DocumentId>" for doc_id in doc_ids)
        return answer(
            f"<GetPendingDocumentIdsResponse>{REPORT}<DocumentIds>{rows}</DocumentIds></GetPendingDocumentIdsResponse>"
        )

    def answer_status_list(self, doc_ids: Sequence[str]) -> ScriptedAnswer:
        rows = "".join(
            f"<Status><ResponseFor><DocumentId>{doc_id}</DocumentId></ResponseFor><StatusCode>03</StatusCode></Status>"
            for doc_id in doc_ids
        )
        return answer(f"<GetTracesResponse>{REPORT}<Traces>{rows}</Traces></GetTracesResponse>")

    def answer_packet(self, doc_id: str, packet: bytes) -> ScriptedAnswer:
        return answer(f'<GetDocumentResponse>{REPORT}<Document href="cid:doc"/></GetDocumentResponse>', packet)

    def answer_confirmed(self) -> ScriptedAnswer:
        return answer(REPORT)

    def answer_directory(self, entries: Mapping[str, str]) -> ScriptedAnswer:
        rows = "".join(
            f"<Organization><OrganId>{code}</OrganId><OrganName>{name}</OrganName></Organization>"
            for code, name in entries.items()
        )
        return answer(
            f"<GetOrganizationsResponse>{REPORT}<Organizations>{rows}</Organizations></GetOrganizationsResponse>"
        )

    def answer_refused(self) -> ScriptedAnswer:
        return answer(refuse("M.Subject", "Subject is required."))

    def answer_denied(self) -> ScriptedAnswer:
        return answer(refuse("Invalid Credentials", "token"))

    def is_verdict(self, place: tuple[str | int, ...]) -> bool:
        return place[-1:] == ("IsSuccess",)

    def says_nothing(self, call: str, answer: Any) -> bool:
        is_list = isinstance(answer, str) and "IsSuccess>true</" in answer and "DocumentIds" in answer
        return call == "list_waiting" and is_list and "DocumentId>" not in answer
