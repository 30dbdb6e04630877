"""The fields a seal signs ("The seal": Fields, Values)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import edoc_connector.edxml as edxml
from edoc_connector.edxml import BusinessType


def test_names_and_order(document: Callable[..., edxml.Document]) -> None:
    """Names are element paths, repeated groups carry an index, recipients are sorted, values are as written."""
    full = document(
        recipients=tuple(edxml.Organization(id=code, name="x", email="e") for code in ("H41", "G22")),
        place="Hà Nội",
        due_date=date(2026, 12, 1),
        priority=edxml.Priority.URGENT,
        copies=7,
        steering_document=False,
        appendixes=("a", "b"),
        responses_for=(edxml.ResponseFor(), edxml.ResponseFor(organ_id="G22", code="1/A", issued_on=date(2026, 1, 2))),
        steering=True,
        task_codes=("t",),
        to_places=("", "p"),
        content="c",
        signer=edxml.SignerInfo(full_name="F", position="P", competence="C"),
        business=edxml.Business(
            type=BusinessType.UPDATE,
            document_id="D",
            reason="R",
            paper=True,
            content_changed=False,
            receivers_changed=True,
            receivers=(edxml.ReceiverChange(organ_id="H41", added=False),),
            replaces=(edxml.Replacement(document_id="E", organ_ids=("G1", "G2")),),
            staff=edxml.StaffInfo(staff="S", email="m"),
        ),
    )
    assert edxml.facts(full) == (
        ("From.OrganId", "H29.05"),
        ("To.OrganId", "G22"),
        ("To.OrganId", "H41"),
        ("DocumentId", "H29.05,2026/11/20,7816/SNV-VP"),
        ("Code.CodeNumber", "7816"),
        ("Code.CodeNotation", "SNV-VP"),
        ("PromulgationInfo.Place", "Hà Nội"),
        ("PromulgationInfo.PromulgationDate", "2026/11/20"),
        ("DocumentType.Type", "2"),
        ("DocumentType.TypeName", "Công văn"),
        ("Subject", "V/v kết nối, liên thông văn bản"),
        ("Content", "c"),
        ("SignerInfo.Competence", "C"),
        ("SignerInfo.Position", "P"),
        ("SignerInfo.FullName", "F"),
        ("DueDate", "2026/12/01"),
        ("OtherInfo.Priority", "1"),
        ("OtherInfo.PromulgationAmount", "7"),
        ("OtherInfo.Direction", "false"),
        ("OtherInfo.Appendixes.Appendix.1", "a"),
        ("OtherInfo.Appendixes.Appendix.2", "b"),
        ("ResponseFor.1.OrganId", "G22"),
        ("ResponseFor.1.Code", "1/A"),
        ("ResponseFor.1.PromulgationDate", "2026/01/02"),
        ("SteeringType", "1"),
        ("ResponseForTask.TaskCode.1", "t"),
        ("ToPlaces.Place.1", "p"),
        ("Bussiness.DocumentId", "D"),
        ("Bussiness.BussinessDocType", "2"),
        ("Bussiness.BussinessDocReason", "R"),
        ("Bussiness.Paper", "1"),
        ("Bussiness.BussinessDocumentInfo.DocumentInfo", "0"),
        ("Bussiness.BussinessDocumentInfo.DocumentReceiver", "1"),
        ("Bussiness.BussinessDocumentInfo.ReceiverList.Receiver.1.OrganId", "H41"),
        ("Bussiness.BussinessDocumentInfo.ReceiverList.Receiver.1.ReceiverType", "0"),
        ("Bussiness.ReplacementInfoList.ReplacementInfo.1.DocumentId", "E"),
        ("Bussiness.ReplacementInfoList.ReplacementInfo.1.OrganIdList.OrganId.1", "G1"),
        ("Bussiness.ReplacementInfoList.ReplacementInfo.1.OrganIdList.OrganId.2", "G2"),
        ("Bussiness.StaffInfo.Staff", "S"),
        ("Bussiness.StaffInfo.Email", "m"),
    )


def test_a_status(status: Callable[..., edxml.StatusMessage]) -> None:
    """A status lists From.OrganId, ResponseFor, StaffInfo, StatusCode, Description and Timestamp in Vietnam time."""
    assert edxml.facts(status(description="d", staff=edxml.StaffInfo(staff="S"))) == (
        ("From.OrganId", "G22"),
        ("ResponseFor.OrganId", "H29.05"),
        ("ResponseFor.Code", "7816/SNV-VP"),
        ("ResponseFor.DocumentId", "H29.05,2026/11/20,7816/SNV-VP"),
        ("ResponseFor.PromulgationDate", "2026/11/20"),
        ("StaffInfo.Staff", "S"),
        ("StatusCode", "01"),
        ("Description", "d"),
        ("Timestamp", "2026/11/21 10:04:05"),
    )


def test_values_are_normalised(document: Callable[..., edxml.Document]) -> None:
    """Values are in NFC, with LF for CRLF and no spaces around, and empty ones are not listed."""
    facts = dict(edxml.facts(document(subject=" Ho\u0300a\r\nb\rc \n", content=" \t", place="")))
    assert facts["Subject"] == "H\u00f2a\nb\nc"
    assert "Content" not in facts
    assert "PromulgationInfo.Place" not in facts


def test_nothing_that_hubs_change_is_listed(document: Callable[..., edxml.Document]) -> None:
    """Names and contact data of organisations, TraceHeaders and descriptions are not sealed."""
    names = {name for name, _ in edxml.facts(document())}
    assert not [name for name in names if "OrganName" in name or "Trace" in name or "Attachment" in name]


def test_hub_defaults_are_names_of_facts(document: Callable[..., edxml.Document]) -> None:
    """The values that hubs add are written as facts write them."""
    given = {"copies": 1, "pages": 1, "steering_document": False, "steering": False, "priority": edxml.Priority.NORMAL}
    added = dict(edxml.facts(document(**given)))
    assert {name: added[name] for name in edxml.HUB_DEFAULTS} == edxml.HUB_DEFAULTS
