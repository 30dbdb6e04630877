"""Rules of writing: each with a message that breaks it and one that keeps it ("Document packet", "TraceHeaderList")."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

import edoc_connector.edxml as edxml
from edoc_connector.edxml import BusinessType, Severity, StatusCode
from edoc_connector.edxml.rules import rules
from edoc_connector.errors import DocumentError

ERROR, WARNING = Severity.ERROR, Severity.WARNING
_ID = "H29.05,2026/11/20,7816/SNV-VP"


def _organization(**fields: str) -> edxml.Organization:
    return edxml.Organization(**({"id": "G22", "name": "VPCP"} | fields))


def _file(name: str = "a.pdf", **fields: Any) -> edxml.Attachment:
    return edxml.Attachment.from_bytes(b"x", name=name, **fields)


def _business(**fields: Any) -> edxml.Business:
    return edxml.Business(**fields)


_UPDATE = {"type": BusinessType.UPDATE, "document_id": _ID, "reason": "r"}
_REMOVED = edxml.ReceiverChange(organ_id="G22", added=False)


@pytest.mark.parametrize(
    ("good", "bad", "code", "field", "severity"),
    [
        ({}, {"sender": _organization(id="")}, "EDR-REQUIRED", "sender.id", ERROR),
        ({}, {"sender": _organization(name=" ")}, "EDR-REQUIRED", "sender.name", ERROR),
        ({}, {"recipients": ()}, "EDR-REQUIRED", "recipients", ERROR),
        ({}, {"recipients": (_organization(name=""),)}, "EDR-REQUIRED", "recipients[0].name", ERROR),
        ({}, {"number": ""}, "EDR-REQUIRED", "number", ERROR),
        ({}, {"notation": "\n"}, "EDR-REQUIRED", "notation", ERROR),
        ({}, {"issued_on": None, "id": _ID}, "EDR-REQUIRED", "issued_on", ERROR),
        ({}, {"id": ""}, "EDR-REQUIRED", "id", ERROR),
        ({"type": 7}, {"type": None}, "EDR-REQUIRED", "type", ERROR),
        ({}, {"type_name": ""}, "EDR-REQUIRED", "type_name", ERROR),
        ({}, {"subject": ""}, "EDR-REQUIRED", "subject", ERROR),
        ({}, {"signer": edxml.SignerInfo(full_name="")}, "EDR-REQUIRED", "signer.full_name", ERROR),
        ({"number": "1" * 11}, {"number": "1" * 12, "id": _ID}, "EDR-LENGTH", "number", ERROR),
        ({"notation": "Đ" * 30}, {"notation": "Đ" * 31, "id": _ID}, "EDR-LENGTH", "notation", ERROR),
        ({"subject": "ễ" * 500}, {"subject": "ễ" * 501}, "EDR-LENGTH", "subject", ERROR),
        ({"content": "x" * 500}, {"content": "x" * 501}, "EDR-LENGTH", "content", ERROR),
        (
            {"sender": _organization(name="x" * 200)},
            {"sender": _organization(name="x" * 201)},
            "EDR-LENGTH",
            "sender.name",
            ERROR,
        ),
        ({"place": "x" * 50}, {"place": "x" * 51}, "EDR-LENGTH", "place", WARNING),
        ({"type_name": "x" * 100}, {"type_name": "x" * 101}, "EDR-LENGTH", "type_name", WARNING),
        ({"sphere": "x" * 100}, {"sphere": "x" * 101}, "EDR-LENGTH", "sphere", WARNING),
        ({"typer_notation": "x" * 10}, {"typer_notation": "x" * 11}, "EDR-LENGTH", "typer_notation", WARNING),
        ({"to_places": ("x" * 150,)}, {"to_places": ("y", "x" * 151)}, "EDR-LENGTH", "to_places[1]", WARNING),
        (
            {"signer": edxml.SignerInfo(full_name="x" * 50)},
            {"signer": edxml.SignerInfo(full_name="x" * 51)},
            "EDR-LENGTH",
            "signer.full_name",
            WARNING,
        ),
        (
            {"sender": _organization(fax="1" * 20)},
            {"sender": _organization(fax="1" * 21)},
            "EDR-LENGTH",
            "sender.fax",
            WARNING,
        ),
        (
            {"sender": _organization(website="x" * 100)},
            {"sender": _organization(website="x" * 101)},
            "EDR-LENGTH",
            "sender.website",
            WARNING,
        ),
        (
            {"attachments": (_file("x" * 500),)},
            {"attachments": (_file("x" * 501),)},
            "EDR-LENGTH",
            "attachments[0].name",
            WARNING,
        ),
        ({"subject": "a\tb"}, {"subject": "a\x07b"}, "EDR-CHARACTER", "subject", ERROR),
        ({"subject": "😀"}, {"subject": "\ud800"}, "EDR-CHARACTER", "subject", ERROR),
        ({}, {"attachments": (_file("a\x00.pdf"),)}, "EDR-CHARACTER", "attachments[0].name", ERROR),
        ({}, {"attachments": (_file(description="\x1b"),)}, "EDR-CHARACTER", "attachments[0].description", ERROR),
        ({"place": "Null"}, {"place": "null"}, "EDR-NULL", "place", ERROR),
        *(
            ({}, {"recipients": (_organization(id=code),)}, "EDR-ORGAN-ID-LETTERS", "recipients[0].id", ERROR)
            for code in ("H29\r\n.05", "H29 .05", "H29\u200b.05", "H29\u202e.05", "H29\xa0.05", "\ufeffH29")
        ),
        ({"pages": 0}, {"pages": -1}, "EDR-VALUE", "pages", ERROR),
        ({"copies": 999_999_999}, {"copies": 1_000_000_000}, "EDR-VALUE", "copies", ERROR),
        (
            {},
            {"trace": (edxml.TraceHeader(organ_id="H29", timestamp=datetime.max.replace(tzinfo=UTC)),)},
            "EDR-VALUE",
            "trace[0].timestamp",
            ERROR,
        ),
        ({}, {"trace": (edxml.TraceHeader(organ_id="H29"),)}, "EDR-REQUIRED", "trace[0].timestamp", ERROR),
        (
            {"sender": _organization(id="000.00.00.H29")},
            {"sender": _organization(id="vxp.saas.03")},
            "EDR-ORGAN-ID",
            "sender.id",
            WARNING,
        ),
        (
            {"recipients": (_organization(), _organization(id="G23"))},
            {"recipients": (_organization(), _organization(id=" g22"))},
            "EDR-RECIPIENT-TWICE",
            "recipients[1].id",
            ERROR,
        ),
        ({"issued_on": date(2026, 11, 21)}, {"issued_on": date(2026, 11, 22)}, "EDR-FUTURE", "issued_on", ERROR),
        ({"id": "9fbfbad2-f1f8-4256-a2eb-50fb1061cddb"}, {"id": "7816"}, "EDR-ID-FORM", "id", WARNING),
        ({"id": _ID}, {"id": "H29.05,2014/02/30,7816/SNV-VP"}, "EDR-ID-DATE", "id", ERROR),
        ({"id": f"H29,2026/11/20,{'1' * 11}/A"}, {"id": f"H29,2026/11/20,{'1' * 12}/A"}, "EDR-LENGTH", "id", ERROR),
        ({"id": f"H29,2026/11/20,1/{'A' * 30}"}, {"id": f"H29,2026/11/20,1/{'A' * 31}"}, "EDR-LENGTH", "id", ERROR),
        (
            {},
            {"responses_for": (edxml.ResponseFor(document_id="H1,2014/02/30,1/A"),)},
            "EDR-ID-DATE",
            "responses_for[0].document_id",
            WARNING,
        ),
        ({}, {"business": _business(type=None)}, "EDR-REQUIRED", "business.type", ERROR),
        ({}, {"business": _business(document_id=_ID)}, "EDR-NOT-NEW", "business.document_id", ERROR),
        (
            {"business": _business(type=BusinessType.RECALL, document_id=_ID, reason="r")},
            {"business": _business(type=BusinessType.RECALL, document_id=_ID, reason=" ")},
            "EDR-REQUIRED",
            "business.reason",
            ERROR,
        ),
        (
            {
                "business": _business(type=BusinessType.RECALL, reason="r"),
                "responses_for": (edxml.ResponseFor(code="1/A"),),
            },
            {
                "business": _business(type=BusinessType.RECALL, reason="r"),
                "responses_for": (edxml.ResponseFor(organ_id="G22"),),
            },
            "EDR-REQUIRED",
            "business.document_id",
            ERROR,
        ),
        (
            {"business": _business(**_UPDATE, content_changed=True, receivers_changed=False)},
            {"business": _business(**_UPDATE, receivers_changed=False)},
            "EDR-REQUIRED",
            "business.content_changed",
            ERROR,
        ),
        (
            {"business": _business(**_UPDATE, content_changed=True, receivers_changed=False)},
            {"business": _business(**_UPDATE, content_changed=True)},
            "EDR-REQUIRED",
            "business.receivers_changed",
            ERROR,
        ),
        (
            {},
            {"business": _business(**(_UPDATE | {"document_id": None}), content_changed=True, receivers_changed=False)},
            "EDR-REQUIRED",
            "business.document_id",
            ERROR,
        ),
        (
            {"business": _business(**_UPDATE, content_changed=False, receivers_changed=True, receivers=(_REMOVED,))},
            {"business": _business(**_UPDATE, content_changed=False, receivers_changed=True)},
            "EDR-REQUIRED",
            "business.receivers",
            ERROR,
        ),
        (
            {},
            {"business": _business(**_UPDATE, content_changed=True, receivers_changed=False, receivers=(_REMOVED,))},
            "EDR-RECEIVERS",
            "business.receivers_changed",
            ERROR,
        ),
        (
            {
                "business": _business(type=BusinessType.REPLACE, reason="r").model_copy(
                    update={"replaces": (edxml.Replacement(document_id=_ID, organ_ids=("G22",)),)}
                )
            },
            {"business": _business(type=BusinessType.REPLACE, reason="r")},
            "EDR-REQUIRED",
            "business.replaces",
            ERROR,
        ),
        (
            {},
            {
                "business": _business(
                    type=BusinessType.REPLACE, reason="r", replaces=(edxml.Replacement(document_id=_ID, organ_ids=()),)
                )
            },
            "EDR-REQUIRED",
            "business.replaces[0].organ_ids",
            ERROR,
        ),
        ({}, {"attachments": (_file(" "),)}, "EDR-REQUIRED", "attachments[0].name", ERROR),
        ({}, {"attachments": (_file("edoc-seal.xml"),)}, "EDR-NAME", "attachments[0].name", ERROR),
        (
            {"attachments": (_file("a.ZIP", content_type="application/zip"),)},
            {"attachments": (_file(content_type="application/zip"),)},
            "EDR-ZIP",
            "attachments[0].content_type",
            ERROR,
        ),
        (
            {"attachments": (_file(content_id="1"), _file(content_id="2"))},
            {"attachments": (_file(content_id="1"), _file(content_id="1"))},
            "EDR-CONTENT-ID",
            "attachments[1].content_id",
            ERROR,
        ),
        (
            {"attachments": (_file(content_id=""), _file(content_id=""))},
            {"attachments": (_file(content_id="cid:1"),)},
            "EDR-CONTENT-ID",
            "attachments[0].content_id",
            ERROR,
        ),
        ({}, {"attachments": (_file(content_id=" 1"),)}, "EDR-CONTENT-ID", "attachments[0].content_id", ERROR),
    ],
)
def test_each_rule(
    good: dict[str, Any],
    bad: dict[str, Any],
    code: str,
    field: str,
    severity: Severity,
    document: Callable[..., edxml.Document],
    at: datetime,
    folder: Path,
) -> None:
    """A message that keeps the rule has no problem; one that breaks it has exactly that one, told in both languages."""
    assert edxml.problems(document(**good), at=at) == ()
    found = edxml.problems(document(**bad), at=at)
    assert [(one.code, one.field, one.severity) for one in found] == [(code, field, severity)]
    assert found[0].message
    assert found[0].message_vi
    assert found[0].xpath.startswith(("MessageHeader/", "TraceHeaderList/", "AttachmentEncoded/"))
    if severity is ERROR:
        with pytest.raises(DocumentError):
            edxml.write(document(**bad), folder / "x.edxml", at=at)
    else:
        edxml.write(document(**bad), folder / "x.edxml", at=at)


@pytest.mark.parametrize(
    ("bad", "code", "field"),
    [
        ({"code": "07"}, "EDR-VALUE", "code"),
        ({"code": ""}, "EDR-REQUIRED", "code"),
        ({"timestamp": None}, "EDR-REQUIRED", "timestamp"),
        ({"code": StatusCode.REJECTED}, "EDR-REQUIRED", "description"),
        ({"code": StatusCode.TAKE_BACK, "description": " "}, "EDR-REQUIRED", "description"),
        ({"code": StatusCode.CHANGE_REFUSED}, "EDR-REQUIRED", "description"),
        ({"response_for": edxml.ResponseFor(organ_id="H29")}, "EDR-REQUIRED", "response_for.document_id"),
        ({"response_for": edxml.ResponseFor(code="1/A")}, "EDR-REQUIRED", "response_for.organ_id"),
    ],
)
def test_each_rule_of_statuses(
    bad: dict[str, Any], code: str, field: str, status: Callable[..., edxml.StatusMessage], at: datetime
) -> None:
    """A status names its document and a known code, with a reason where Decision 28/2018 asks for one."""
    assert edxml.problems(status(), at=at) == ()
    assert [(one.code, one.field) for one in edxml.problems(status(**bad), at=at)] == [(code, field)]


@pytest.mark.parametrize("code", StatusCode)
def test_every_status_code_can_be_sent(
    code: StatusCode, status: Callable[..., edxml.StatusMessage], at: datetime
) -> None:
    """Each code of the business rules is written, and has its name in both languages."""
    assert edxml.problems(status(code=code, description="lý do"), at=at) == ()
    assert code.vi
    assert code.en


def test_a_status_about_an_impossible_id(status: Callable[..., edxml.StatusMessage], at: datetime) -> None:
    """A partner's DocumentId with an impossible date can still be answered; it is a warning only."""
    about = edxml.ResponseFor(organ_id="H29", document_id="H29,2014/02/30,1/A")
    (found,) = edxml.problems(status(response_for=about), at=at)
    assert (found.code, found.severity) == ("EDR-ID-DATE", WARNING)


def test_every_rule_says_where_it_stands() -> None:
    """Rules are data: each has a clause and its words in both languages, with the same blanks."""
    for rule in rules.list_rules():
        assert rule.code.startswith("EDR-")
        assert rule.clause
        assert rule.en != rule.vi
