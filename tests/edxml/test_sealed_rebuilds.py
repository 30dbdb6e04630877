"""A seal outlives a hub that rebuilds packets, and what it is said to prove is what the packet shows."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st
from lxml import etree

from edoc_connector import edxml
from edoc_connector.errors import PacketError
from edoc_connector.mockhub import rebuild_packet
from edoc_connector.signing import (
    Verification,
    VerificationStatus,
    VerifyMode,
    VerifyPolicy,
    enveloped,
    seal_maker,
    verify,
)
from edoc_connector.testing.keys import AgencyKeys, agency_keys

EXAMPLES = int(os.environ.get("EDOC_FUZZ_EXAMPLES", "0"))
SHARDS = 8 if EXAMPLES else 1
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]  # the smallest example would take minutes to find
CHANGES = 4  # of each document
NS = f"{{{edxml.NS}}}"
ENDINGS = ("pdf", "doc", "DOCX", "zip", "ZIP", "Zip", "xls", "xlsx", "xsl", "txt", "pdf>", "zip>", "tar.gz", "")

Shown = dict[str, Any]


@pytest.fixture(scope="module")
def keys() -> AgencyKeys:
    """The sender's keys, on a curve: two thousand signatures."""
    return agency_keys("Sở Nội vụ", organ_id="H29.05", kind="p256")


@pytest.fixture(scope="module")
def policy() -> VerifyPolicy:
    """No trust in anybody: judging paths takes most of the time, and is not what is tried here."""
    return VerifyPolicy(mode=VerifyMode.VALID)


@pytest.fixture(scope="module")
def through_hub(at: datetime, memory: Path) -> Callable[[bytes], bytes]:
    """Sends a packet through a hub that rebuilds packets."""

    def send(packet: bytes) -> bytes:
        source, target = memory / "in.edxml", memory / "out.edxml"
        source.write_bytes(packet)
        rebuild_packet(source, target, at=at, organ_id="hub", limit=1 << 24)
        return target.read_bytes()

    return send


@pytest.fixture(scope="module")
def rebuilt(
    written: Callable[..., bytes], keys: AgencyKeys, through_hub: Callable[[bytes], bytes]
) -> Callable[..., bytes]:
    """Seals a document and sends it through a hub that rebuilds packets."""

    def make(document: edxml.Document) -> bytes:
        seal = seal_maker(document, signer=keys.signer(), at=keys.certificate.not_valid_before_utc)
        return through_hub(written(document, seal=seal))

    return make


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder."""
    return tmp_path_factory.mktemp("rebuilt")


@pytest.fixture(scope="module")
def sealable(documents: st.SearchStrategy[edxml.Document]) -> st.SearchStrategy[edxml.Document]:
    """Generates documents, with files of every ending that hubs treat in their own way."""
    file = st.tuples(st.binary(min_size=1, max_size=60), st.sampled_from(ENDINGS), st.none() | st.just("tệp "))

    def attach(drawn: tuple[edxml.Document, list[tuple[bytes, str, str | None]]]) -> edxml.Document:
        document, files = drawn
        attachments = [
            edxml.Attachment.from_bytes(data, name=f"{number}.{ending}", description=description)
            for number, (data, ending, description) in enumerate(files)
        ]
        return document.model_copy(update={"attachments": (*document.attachments, *attachments)})

    return st.tuples(documents, st.lists(file, max_size=3)).map(attach)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_documents_are_valid_after_rebuilding_and_no_change_goes_unnamed(
    sealable: st.SearchStrategy[edxml.Document], rebuilt: Callable[..., bytes], policy: VerifyPolicy, shard: int
) -> None:
    """Every rebuilt document is VALID; of a changed one nothing that differs is said to be sealed (The seal)."""

    def holds(drawn: tuple[edxml.Document, int]) -> None:
        document, number = drawn
        packet = rebuilt(document)
        verification = verify(edxml.read(packet), policy)
        assert (verification.reason, verification.method) == ("SEAL-OK", "seal")
        shown = _show(verification)
        assert shown.items() >= _expect(document).items()
        assert shown.keys() <= {*verification.sealed, *verification.unsealed}
        random = Random(number)
        places = [(name, index) for name in KINDS for index in range(len(_parts(etree.fromstring(packet))))]
        for kind, index in random.sample(places, CHANGES):
            _require_named(packet, kind, index, verification, policy)

    _for_all(st.tuples(sealable, st.integers(0, 2**20)), holds, shard)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_statuses_are_valid_after_rebuilding(
    statuses: st.SearchStrategy[edxml.StatusMessage],
    written: Callable[..., bytes],
    through_hub: Callable[[bytes], bytes],
    keys: AgencyKeys,
    policy: VerifyPolicy,
    shard: int,
) -> None:
    """Every rebuilt status is VALID by the fields that its signature names (The seal, statuses)."""

    def holds(status: edxml.StatusMessage) -> None:
        packet = through_hub(written(status, signature=enveloped(keys.signer(), status=status)))
        verification = verify(edxml.read(packet), policy)
        assert (verification.reason, verification.method) == ("SEAL-OK", "seal")
        assert verification.message is not None
        assert edxml.facts(verification.message) == edxml.facts(status)

    _for_all(statuses, holds, shard)


def _for_all(strategy: st.SearchStrategy[Any], holds: Callable[..., None], shard: int) -> None:
    """Try a property on this shard's part of the examples."""
    examples = settings(max_examples=max(25, EXAMPLES // SHARDS), deadline=None, database=None, phases=PHASES)
    tried = examples(given(strategy)(holds))
    (seed(shard)(tried) if settings().derandomize else tried)()


def test_every_single_change_of_a_rich_document_is_named(
    rich_document: edxml.Document, rebuilt: Callable[..., bytes], policy: VerifyPolicy
) -> None:
    """Each element changed, taken out, or there twice in any way: INVALID, or named as unsealed (The seal)."""
    packet = rebuilt(rich_document)
    verification = verify(edxml.read(packet), policy)
    for kind in KINDS:
        for index in range(len(_parts(etree.fromstring(packet)))):
            _require_named(packet, kind, index, verification, policy)


def _parts(root: etree._Element) -> list[etree._Element]:
    """List the elements of a packet below its frame, but for the signature that the hub broke."""
    return [
        one for one in root.iter(f"{NS}*") if not any(up.tag == f"{NS}Signature" for up in (one, *one.iterancestors()))
    ]


def _change_text(element: etree._Element) -> None:
    element.text = "9" if len(element) == 0 and element.text != "9" else (element.text or "")


def _remove(element: etree._Element) -> None:
    if element.getparent() is not None:
        element.getparent().remove(element)


def _repeat(element: etree._Element) -> None:
    if element.getparent() is not None:
        element.addnext(copy.deepcopy(element))


def _repeat_otherwise(element: etree._Element) -> None:
    if element.getparent() is not None:
        second = copy.deepcopy(element)
        for leaf in second.iter():
            _change_text(leaf)
        element.addprevious(second)


def _repeat_empty(element: etree._Element) -> None:
    if element.getparent() is not None:
        element.addnext(etree.Element(element.tag))


def _repeat_foreign(element: etree._Element) -> None:
    if element.getparent() is not None:
        second = etree.Element(f"{{urn:other}}{etree.QName(element).localname}")
        second.text = "9"
        element.addnext(second)


KINDS: dict[str, Callable[[etree._Element], None]] = {
    "changed": _change_text,
    "removed": _remove,
    "twice": _repeat,
    "twice, another first": _repeat_otherwise,
    "twice, the second empty": _repeat_empty,
    "twice, of another namespace": _repeat_foreign,
}
SEVERAL = {
    *("To", "ResponseFor", "Appendix", "TaskCode", "Receiver", "ReplacementInfo", "TraceHeader", "Attachment"),
    *("Reference", "OrganIdList.OrganId", "ToPlaces.Place"),
}
"""Elements that may occur more than once."""


def _require_named(packet: bytes, kind: str, index: int, before: Verification, policy: VerifyPolicy) -> None:
    root = etree.fromstring(packet)
    element = _parts(root)[index]
    name = etree.QName(element).localname
    parent = element.getparent()
    names = {name, f"{etree.QName(parent).localname}.{name}"} if parent is not None else {"edXML"}
    KINDS[kind](element)
    try:
        verification = verify(edxml.read(etree.tostring(root)), policy)
    except PacketError:
        return  # it cannot be read at all
    if verification.status is not VerificationStatus.VALID:
        return
    is_allowed = bool(names & SEVERAL) and "namespace" not in kind
    assert is_allowed or not kind.startswith("twice") or parent is None, (kind, name)
    first, second = _show(before), _show(verification)
    differing = {one for one in {*first, *second} if first.get(one) != second.get(one)}
    found = {one.detail.partition(":")[0] for one in verification.findings if one.code == "SEAL-REFRESHED"}
    assert differing <= {*before.unsealed, *verification.unsealed, *found}, (kind, name)
    assert not differing & {*verification.sealed}, (kind, name)


def _show(verification: Verification) -> Shown:
    """List all that a verified packet shows, by the names that seals give it."""
    document = verification.message
    assert isinstance(document, edxml.Document)
    return {**dict(_fields(document)), **dict(_files(verification.attachments))}


def _fields(document: edxml.Document) -> Iterator[tuple[str, Any]]:
    facts = edxml.facts(document)
    yield from ((name, [value for other, value in facts if other == name]) for name, _ in facts)
    yield from edxml.refreshed_facts(document)
    yield "TraceHeader", [one.model_dump() for one in document.trace]
    recipients = sorted(document.recipients, key=lambda one: (one.id, edxml.normalise(one.name)))
    for holder, one in [("From", document.sender), *((f"To.{n}", one) for n, one in enumerate(recipients, 1))]:
        for name, text in zip(CONTACTS, (getattr(one, name) for name in CONTACTS.values()), strict=True):
            if text:
                yield f"{holder}.{name}", edxml.normalise(text)


CONTACTS = {
    "OrganizationInCharge": "in_charge", "OrganAdd": "address", "Email": "email", "Telephone": "telephone",
    "Fax": "fax", "Website": "website",
}  # fmt: skip


def _files(attachments: tuple[edxml.Attachment, ...]) -> Iterator[tuple[str, Any]]:
    for number, one in enumerate(attachments, 1):
        yield f"Attachment.{number}", (one.name, one.size, one.sha256)
        parts = {
            "Description": one.description, "ContentType": one.content_type, "ContentId": one.content_id,
            "FieldName": one.field_name, "MimeType": one.mime_type,
        }  # fmt: skip
        yield from ((f"Attachment.{number}.{name}", value) for name, value in parts.items() if value)


def _expect(document: edxml.Document) -> Shown:
    """List all that the sender sealed."""
    shown = dict(_fields(edxml.complete(document)))
    files = [one.renamed(edxml.normalise(one.name)) for one in document.attachments]
    shown |= {f"Attachment.{number}": (one.name, one.size, one.sha256) for number, one in enumerate(files, 1)}
    shown.pop("TraceHeader")
    return shown


@pytest.fixture(scope="module")
def rich_document(document: Callable[..., edxml.Document], at: Any) -> edxml.Document:
    """A document with something in every element."""
    contact = dict.fromkeys(CONTACTS.values(), "x")
    return document(
        sender=edxml.Organization(id="H29.05", name="Sở Nội vụ", **contact),
        recipients=(
            edxml.Organization(id="G22", name="Văn phòng Chính phủ", **contact),
            edxml.Organization(id="A01", name="Bộ A"),
        ),
        place="Hà Nội",
        type_detail=1,
        content="Nội dung",
        due_date=at.date(),
        signer=edxml.SignerInfo(full_name="Nguyễn Văn A", position="Giám đốc", competence="KT."),
        priority=edxml.Priority(1),
        sphere="x",
        typer_notation="x",
        copies=2,
        pages=3,
        reply_for="x",
        steering_document=True,
        reference_codes="x",
        appendixes=("I", "II"),
        responses_for=(edxml.ResponseFor(organ_id="G22", code="1/A", document_id="d-1", issued_on=at.date()),),
        steering=True,
        task_codes=("T1",),
        application_type="x",
        to_places=("Như trên",),
        business=edxml.Business(
            type=edxml.BusinessType.UPDATE,
            document_id="d-0",
            reason="Sửa",
            content_changed=True,
            receivers_changed=True,
            receivers=(edxml.ReceiverChange(organ_id="G22", added=True),),
            replaces=(edxml.Replacement(document_id="d-9", organ_ids=("G22",)),),
            staff=edxml.StaffInfo(department="x", department_id="x", staff="x", staff_id="x", email="x", mobile="x"),
        ),
        attachments=(
            edxml.Attachment.from_bytes(b"%PDF-1.4 x", name="cong-van.pdf", description="Công văn"),
            edxml.Attachment.from_bytes(b"a;b\r\n", name="bảng số liệu.csv"),
        ),
    )
