"""The seal: every rule of its specification, on packets as we write them and as a hub rebuilds them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lxml import etree

from edoc_connector import edxml
from edoc_connector.signing import Verification, VerificationStatus, VerifyPolicy, verify
from edoc_connector.signing.xmlsig.seal import MAX_BYTES, SEAL_NS, _compare_files
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import AgencyKeys

NS, DS = edxml.NS, edxml.DS
_S = f"{{{SEAL_NS}}}"
_N = f"{{{NS}}}"
XADES = "{http://uri.etsi.org/01903/v1.3.2#}"
Mangle = Callable[[etree._Element], Any]


def one(root: etree._Element, name: str) -> etree._Element:
    """The first element of a local name."""
    return next(root.iter(f"{{*}}{name}"))


@pytest.fixture
def rebuilt(packet_of: Any, rebuild: Any, rich: edxml.Document) -> bytes:
    """A rich document, signed and sealed, after a hub rebuilt the packet."""
    data: bytes = rebuild(packet_of(rich))
    return data


def _changed(data: bytes, *changes: Mangle) -> bytes:
    root = etree.fromstring(data)
    for change in changes:
        change(root)
    return etree.tostring(root)


def _verify(data: bytes, policy: VerifyPolicy | None = None) -> Verification:
    return verify(edxml.read(data), policy)


def test_a_rebuilt_packet_is_valid_by_its_seal(rebuilt: bytes, trusted: VerifyPolicy, agency: AgencyKeys) -> None:
    """The seal survives a hub that rebuilds packets, and the finding says so (The seal, Result)."""
    verification = _verify(rebuilt, trusted)
    assert (verification.status, verification.method) == (VerificationStatus.VALID, "seal")
    assert verification.reason == "SEAL-OK"
    assert verification.signer == "Sở Nội vụ"
    assert verification.certificate == agency.certificate
    assert verification.chain == agency.certificates
    assert verification.trusted is True
    assert verification.algorithms == ("rsa-sha256", "sha256")
    assert [(f.code, f.detail) for f in verification.findings] == [("SIG-REBUILT", "SIG-NAMESPACE")]
    assert verification.signed_at is not None
    assert abs(verification.signed_at - datetime.now(UTC)) < timedelta(minutes=5)


def test_the_seal_is_out_of_sight(rebuilt: bytes, rich: edxml.Document) -> None:
    """What is handed out has the sender's files, without the seal, in message and attachments alike (The seal)."""
    verification = _verify(rebuilt)
    assert [one.name for one in verification.attachments] == ["cong-van.pdf", "bảng số liệu.csv"]
    assert isinstance(verification.message, edxml.Document)
    assert verification.message.attachments == verification.attachments
    assert edxml.facts(verification.message) == edxml.facts(rich)


def test_an_untouched_packet_is_valid_by_its_own_signature(packet_of: Any, trusted: VerifyPolicy) -> None:
    """Where both hold and are of one signer the packet's own signature counts: it covers more."""
    verification = _verify(packet_of(), trusted)
    assert (verification.reason, verification.method) == ("SIG-OK", "packet")
    assert verification.signed_at is not None
    assert [one.name for one in verification.attachments] == ["cong-van.pdf"]


def test_a_seal_without_packet_signature_is_enough(packet_of: Any, trusted: VerifyPolicy) -> None:
    """A packet that was never signed itself is VALID by its seal, with no talk of rebuilding."""
    verification = _verify(packet_of(keys=None), trusted)
    assert (verification.reason, verification.method, verification.findings) == ("SEAL-OK", "seal", ())


def test_taking_the_seal_out_gains_nothing(rebuilt: bytes, trusted: VerifyPolicy) -> None:
    """Without its seal a rebuilt packet proves nothing; a policy that asks for trust does not let it in."""

    def take_out(root: etree._Element) -> None:
        for name in ("Attachment", "Reference"):
            last = [e for e in root.iter(f"{_N}{name}") if e.findtext(f"{_N}AttachmentName") == edxml.SEAL_NAME][-1]
            last.getparent().remove(last)

    verification = _verify(_changed(rebuilt, take_out), trusted)
    assert verification.status is VerificationStatus.UNVERIFIABLE
    assert not trusted.admits(verification)


# -- checking, both ways


def _set(path: str, text: str) -> Mangle:
    def change(root: etree._Element) -> None:
        element = one(root, "edXML").find("/".join(f"{{*}}{name}" for name in path.split("/")))
        assert element is not None, path
        element.text = text

    return change


def _remove(path: str) -> Mangle:
    def change(root: etree._Element) -> None:
        element = root.find("/".join(f"{{*}}{name}" for name in path.split("/")))
        assert element is not None, path
        element.getparent().remove(element)

    return change


HEADER = "edXMLEnvelope/edXMLHeader/MessageHeader"
BUSINESS = "edXMLEnvelope/edXMLHeader/TraceHeaderList/Bussiness"
CHANGED: dict[str, tuple[str, str]] = {
    "From.OrganId": (f"{HEADER}/From/OrganId", "H29.06"),
    "To.OrganId": (f"{HEADER}/To/OrganId", "H30"),
    "DocumentId": (f"{HEADER}/DocumentId", "other"),
    "Code.CodeNumber": (f"{HEADER}/Code/CodeNumber", "7817"),
    "Code.CodeNotation": (f"{HEADER}/Code/CodeNotation", "SNV"),
    "PromulgationInfo.Place": (f"{HEADER}/PromulgationInfo/Place", "Huế"),
    "PromulgationInfo.PromulgationDate": (f"{HEADER}/PromulgationInfo/PromulgationDate", "2026/01/01"),
    "DocumentType.Type": (f"{HEADER}/DocumentType/Type", "1"),
    "DocumentType.TypeName": (f"{HEADER}/DocumentType/TypeName", "Thông tư"),
    "Subject": (f"{HEADER}/Subject", "V/v khác"),
    "Content": (f"{HEADER}/Content", "khác"),
    "SignerInfo.FullName": (f"{HEADER}/SignerInfo/FullName", "Trần Thị B"),
    "SignerInfo.Position": (f"{HEADER}/SignerInfo/Position", "Bộ trưởng"),
    "DueDate": (f"{HEADER}/DueDate", "2027/01/06"),
    "OtherInfo.Priority": (f"{HEADER}/OtherInfo/Priority", "3"),
    "OtherInfo.SphereOfPromulgation": (f"{HEADER}/OtherInfo/SphereOfPromulgation", "rộng"),
    "OtherInfo.TyperNotation": (f"{HEADER}/OtherInfo/TyperNotation", "X"),
    "OtherInfo.PromulgationAmount": (f"{HEADER}/OtherInfo/PromulgationAmount", "1"),
    "OtherInfo.PageAmount": (f"{HEADER}/OtherInfo/PageAmount", "1"),
    "OtherInfo.Direction": (f"{HEADER}/OtherInfo/Direction", "false"),
    "OtherInfo.Appendixes.Appendix.1": (f"{HEADER}/OtherInfo/Appendixes/Appendix", "khác"),
    "ResponseFor.1.Code": (f"{HEADER}/ResponseFor/Code", "14/VPCP"),
    "SteeringType": (f"{HEADER}/SteeringType", "0"),
    "ResponseForTask.TaskCode.1": (f"{HEADER}/ResponseForTask/TaskCode", "T9"),
    "ToPlaces.Place.1": (f"{HEADER}/ToPlaces/Place", "Nơi khác"),
    "Bussiness.BussinessDocType": (f"{BUSINESS}/BussinessDocType", "1"),
    "Bussiness.Paper": (f"{BUSINESS}/Paper", "1"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_changed_field_is_named(name: str, rebuilt: bytes, trusted: VerifyPolicy) -> None:
    """A sealed field that differs makes the packet INVALID, naming it (The seal, Checking)."""
    path, text = CHANGED[name]
    verification = _verify(_changed(rebuilt, _set(path, text)), trusted)
    assert (verification.status, verification.reason) == (VerificationStatus.INVALID, "SEAL-DIFFERS")
    assert name in [difference.name for difference in verification.differences]
    assert name in verification.explanation
    assert name in verification.explanation_vi
    assert text in [difference.received for difference in verification.differences]
    assert verification.message is None


@pytest.mark.parametrize("name", [name for name in CHANGED if name.startswith(("Content", "DueDate", "OtherInfo.P"))])
def test_a_missing_field_is_named(name: str, rebuilt: bytes) -> None:
    """A sealed field that is missing makes the packet INVALID, naming it (The seal, Checking)."""
    verification = _verify(_changed(rebuilt, _remove(CHANGED[name][0])))
    assert verification.reason == "SEAL-DIFFERS"
    assert (name, None) in [(one.name, one.received) for one in verification.differences]


ADDED: dict[str, tuple[str, str, str]] = {
    "Content": (HEADER, "Content", "x"),
    "DueDate": (HEADER, "DueDate", "2027/01/01"),
    "ApplicationType": (HEADER, "ApplicationType", "x"),
    "SteeringType": (HEADER, "SteeringType", "1"),
    "OtherInfo.Priority": (f"{HEADER}/OtherInfo", "Priority", "1"),
    "OtherInfo.PromulgationAmount": (f"{HEADER}/OtherInfo", "PromulgationAmount", "2"),
    "OtherInfo.Direction": (f"{HEADER}/OtherInfo", "Direction", "true"),
    "OtherInfo.ReplyFors": (f"{HEADER}/OtherInfo", "ReplyFors", "x"),
    "Bussiness.BussinessDocReason": (BUSINESS, "BussinessDocReason", "x"),
}


@pytest.mark.parametrize("name", ADDED)
def test_an_added_field_is_named(name: str, packet_of: Any, rebuild: Any) -> None:
    """A field with meaning that is present but not sealed makes the packet INVALID, naming it (The seal, Checking)."""
    holder, tag, text = ADDED[name]

    def add(root: etree._Element) -> None:
        parent = root.find("/".join(f"{{*}}{step}" for step in holder.split("/")))
        assert parent is not None
        present = parent.find(f"{_N}{tag}")
        (etree.SubElement(parent, f"{_N}{tag}") if present is None else present).text = text

    verification = _verify(_changed(rebuild(packet_of()), add))
    assert verification.reason == "SEAL-DIFFERS"
    assert (name, None, text) in [(one.name, one.sealed, one.received) for one in verification.differences]


def test_a_recipient_added_or_taken_away_is_named(rebuilt: bytes) -> None:
    """Recipients are compared as a set: one more or one fewer is named, their order does not matter."""

    def swap(root: etree._Element) -> None:
        first, second = root.iter(f"{_N}To")
        first.getparent().insert(first.getparent().index(first), second)

    def add(root: etree._Element) -> None:
        recipient = etree.SubElement(one(root, "MessageHeader"), f"{_N}To")
        etree.SubElement(recipient, f"{_N}OrganId").text = "X99"
        etree.SubElement(recipient, f"{_N}OrganName").text = "Người nhận thêm"

    assert _verify(_changed(rebuilt, swap)).reason == "SEAL-OK"
    added = _verify(_changed(rebuilt, add))
    assert [(o.name, o.sealed, o.received) for o in added.differences] == [("To.OrganId", None, "X99")]
    removed = _verify(_changed(rebuilt, _remove(f"{HEADER}/To")))
    assert [(o.name, o.sealed, o.received) for o in removed.differences] == [("To.OrganId", "G22", None)]


def test_many_differences_are_counted(rebuilt: bytes) -> None:
    """The explanation names the first few differences and counts the rest; all are in the list."""
    changes = [_set(*CHANGED[name]) for name in list(CHANGED)[:8]]
    verification = _verify(_changed(rebuilt, *changes))
    assert len(verification.differences) == 8
    assert "(+3)" in verification.explanation
    long = _verify(_changed(rebuilt, _set(f"{HEADER}/Subject", "x" * 400)))
    assert len(long.explanation) < 250


HUBS_OWN: dict[str, tuple[str, str]] = {
    "name of the sender": (f"{HEADER}/From/OrganName", "Sở Nội vụ tỉnh"),
    "name of a recipient": (f"{HEADER}/To/OrganName", "Văn phòng"),
    "a station": ("edXMLEnvelope/edXMLHeader/TraceHeaderList/TraceHeader/OrganId", "hub"),
    "a content type": ("AttachmentEncoded/Attachment/ContentType", "application/octet-stream"),
}


@pytest.mark.parametrize("what", HUBS_OWN)
def test_what_hubs_refresh_is_not_sealed(what: str, rebuilt: bytes) -> None:
    """Names and contact data, stations, content types and descriptions may change in transit (The seal, Fields)."""
    assert _verify(_changed(rebuilt, _set(*HUBS_OWN[what]))).reason == "SEAL-OK"


def test_values_that_hubs_add_are_dropped(packet_of: Any, rebuild: Any) -> None:
    """Values that hubs add are no difference if unsealed, and are not handed out."""
    packet = edxml.read(rebuild(packet_of()))
    assert isinstance(packet.message, edxml.Document)
    assert (packet.message.copies, packet.message.pages, packet.message.steering_document) == (1, 1, False)
    verification = verify(packet)
    assert verification.reason == "SEAL-OK"
    assert set(verification.unsealed) == set(edxml.HUB_DEFAULTS)
    assert isinstance(verification.message, edxml.Document)
    message = verification.message
    assert (message.copies, message.pages, message.steering_document) == (None, None, None)


@pytest.mark.parametrize("name", edxml.HUB_DEFAULTS)
def test_a_value_that_hubs_are_known_to_add_is_no_difference(name: str, packet_of: Any) -> None:
    """SteeringType 0, Priority 0, PromulgationAmount 1, PageAmount 1, Direction false (The seal, Checking)."""

    def add(root: etree._Element) -> None:
        *holders, tag = name.split(".")
        parent = one(root, "MessageHeader")
        for holder in holders:
            parent = etree.SubElement(parent, f"{_N}{holder}")
        etree.SubElement(parent, f"{_N}{tag}").text = edxml.HUB_DEFAULTS[name]

    verification = _verify(_changed(packet_of(), add))
    assert verification.method == "seal"
    assert (verification.status, verification.unsealed) == (VerificationStatus.VALID, (name,))


def test_values_that_hubs_add_count_when_sealed(packet_of: Any, rebuild: Any) -> None:
    """The same values are handed out when the sender sealed them."""
    filled = {"copies": 1, "pages": 1, "steering_document": False, "steering": False, "priority": edxml.Priority.NORMAL}
    verification = _verify(rebuild(packet_of(sample_document(**filled))))
    assert verification.reason == "SEAL-OK"
    assert verification.unsealed == ()
    assert isinstance(verification.message, edxml.Document)
    assert verification.message.copies == 1


def test_values_are_compared_normalised(packet_of: Any, rebuild: Any) -> None:
    """Unicode form, line ends and space around do not matter; what is between does (The seal, Values)."""
    document = sample_document(subject="  Việt\r\nNam  ", content="Nguyễn")
    rebuilt = rebuild(packet_of(document))
    assert _verify(rebuilt).reason == "SEAL-OK"
    assert _verify(_changed(rebuilt, _set(f"{HEADER}/Subject", "Việt\nNam"))).reason == "SEAL-OK"
    assert _verify(_changed(rebuilt, _set(f"{HEADER}/Subject", "Việt Nam"))).reason == "SEAL-DIFFERS"


# -- attachments


def _attachments(root: etree._Element) -> list[etree._Element]:
    return list(root.iter(f"{_N}Attachment"))


def _recontent(root: etree._Element, index: int, data: bytes) -> None:
    element = _attachments(root)[index]
    one(element, "ContentTransferEncoded").text = base64.b64encode(data).decode()
    if element.find(f"{_N}ContentType") is not None:
        element.find(f"{_N}ContentType").text = "application/octet-stream"


def _rename(root: etree._Element, index: int, name: str) -> None:
    for element in (_attachments(root)[index], one(root, "edXMLManifest")[index]):
        element.find(f"{_N}AttachmentName").text = name


def _swap_names(root: etree._Element) -> None:
    _rename(root, 0, "bảng số liệu.csv")
    _rename(root, 1, "cong-van.pdf")


def _drop_attachment(root: etree._Element, index: int) -> None:
    for element in (_attachments(root)[index], one(root, "edXMLManifest")[index]):
        element.getparent().remove(element)


def _add_attachment(root: etree._Element, name: str, data: bytes, position: int) -> None:
    holder = one(root, "AttachmentEncoded")
    element = etree.Element(f"{_N}Attachment")
    for tag, text in (
        ("ContentId", f"cid:new-{position}"),
        ("AttachmentName", name),
        ("ContentType", "application/octet-stream"),
        ("ContentTransferEncoded", base64.b64encode(data).decode()),
    ):
        etree.SubElement(element, f"{_N}{tag}").text = text
    holder.insert(position, element)


def _move_attachment(root: etree._Element, source: int, to: int) -> None:
    one(root, "AttachmentEncoded").insert(to, _attachments(root)[source])


FILES: dict[str, tuple[Mangle, list[str]]] = {
    "one byte changed": (lambda root: _recontent(root, 0, b"%PDF-1.4 y"), ["cong-van.pdf"]),
    "zipped one changed": (lambda root: _recontent(root, 1, b"a;c\r\n"), ["bảng số liệu.csv"]),
    "renamed": (lambda root: _rename(root, 0, "quyet-dinh.pdf"), ["cong-van.pdf"]),
    "missing": (lambda root: _drop_attachment(root, 0), ["cong-van.pdf"]),
    "added": (lambda root: _add_attachment(root, "x.exe", b"MZ", 1), ["x.exe"]),
    "added twice": (lambda root: _add_attachment(root, "cong-van.pdf", b"%PDF-1.4 x", 1), ["cong-van.pdf"]),
    "in another order": (lambda root: _move_attachment(root, 1, 0), ["AttachmentEncoded"]),
    "names swapped": (
        lambda root: _swap_names(root),
        ["cong-van.pdf", "bảng số liệu.csv"],
    ),
    "undecodable": (
        lambda root: setattr(one(_attachments(root)[0], "ContentTransferEncoded"), "text", "%%%%"),
        ["cong-van.pdf"],
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_a_changed_attachment_is_named(case: str, rebuilt: bytes) -> None:
    """An attachment added, missing, renamed or changed makes the packet INVALID, naming it (The seal, Checking)."""
    change, names = FILES[case]
    verification = _verify(_changed(rebuilt, change))
    assert (verification.status, verification.reason) == (VerificationStatus.INVALID, "SEAL-DIFFERS")
    assert sorted(difference.name for difference in verification.differences) == sorted(names)
    assert all(name in verification.explanation for name in names)


# -- where the seal stands, and its shape


def _seal_of(data: bytes) -> bytes:
    with edxml.read(data).attachments[-1].open() as stream:
        return stream.read()


def test_two_seals_are_unverifiable(packet_of: Any) -> None:
    """Two seals are UNVERIFIABLE (The seal, Result)."""
    data = packet_of()
    doubled = _changed(data, lambda root: _add_attachment(root, edxml.SEAL_NAME, _seal_of(data), 2))
    assert (_verify(doubled).reason, _verify(doubled).status.value) == ("SEAL-MANY", "UNVERIFIABLE")


def test_a_seal_that_is_not_last_is_unverifiable(rebuilt: bytes) -> None:
    """A seal that is not the last attachment is UNVERIFIABLE (The seal, Result)."""
    verification = _verify(_changed(rebuilt, lambda root: _move_attachment(root, 2, 0)))
    assert (verification.reason, verification.status.value) == ("SEAL-NOT-LAST", "UNVERIFIABLE")


def test_an_own_signature_does_not_excuse_a_misplaced_seal(xmlsec_signed: Any) -> None:
    """Even where the packet's own signature holds, a seal in the wrong place is UNVERIFIABLE (The seal, Result)."""
    data = xmlsec_signed(before=lambda root: _add_attachment(root, edxml.SEAL_NAME, b"<x/>", 0))
    assert _verify(data).reason == "SEAL-NOT-LAST"


def _with_seal(packet_of: Any, seal: bytes, *, keys: AgencyKeys | None = None) -> Verification:
    return _verify(packet_of(keys=keys, seal=lambda digests: seal))


def _edited(change: Mangle) -> Callable[[bytes], bytes]:
    def edit(seal: bytes) -> bytes:
        root = etree.fromstring(seal)
        change(root)
        return etree.tostring(root)

    return edit


def _append(tag: str, **attributes: str) -> Mangle:
    return lambda root: root.insert(0, etree.Element(tag, attributes))


MISSHAPEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "not XML": (lambda seal: b"seal", "SEAL-UNREADABLE"),
    "DOCTYPE": (lambda seal: b"<!DOCTYPE x><x/>", "SEAL-UNREADABLE"),
    "too big": (lambda seal: seal + b" " * MAX_BYTES, "SEAL-TOO-BIG"),
    "another version": (lambda seal: seal.replace(b"seal:1", b"seal:2"), "SEAL-VERSION"),
    "no signature": (_edited(lambda root: root.remove(root[-1])), "SEAL-SHAPE"),
    "nothing in it": (_edited(lambda root: root.clear()), "SEAL-SHAPE"),
    "signature not last": (_edited(lambda root: root.insert(0, root[-1])), "SEAL-SHAPE"),
    "two signatures": (_edited(lambda root: root.insert(0, etree.fromstring(etree.tostring(root[-1])))), "SEAL-SHAPE"),
    "unknown element": (_edited(_append(f"{_S}Extra")), "SEAL-SHAPE"),
    "unknown attribute": (_edited(lambda root: root[0].set("x", "1")), "SEAL-SHAPE"),
    "Field without name": (_edited(_append(f"{_S}Field")), "SEAL-SHAPE"),
    "Field with an element": (_edited(lambda root: etree.SubElement(root[0], "x")), "SEAL-SHAPE"),
    "Attachment before Field": (_edited(_append(f"{_S}Attachment", name="x", size="1", sha256="0")), "SEAL-SHAPE"),
    "Attachment without hash": (_edited(lambda root: one(root, "Attachment").set("sha256", "")), "SEAL-SHAPE"),
    "Attachment with an odd size": (_edited(lambda root: one(root, "Attachment").set("size", "-1")), "SEAL-SHAPE"),
    "Attachment with an odd hash": (
        _edited(lambda root: one(root, "Attachment").set("sha256", one(root, "Attachment").get("sha256").upper())),
        "SEAL-SHAPE",
    ),
    "Attachment with text": (_edited(lambda root: setattr(one(root, "Attachment"), "text", "x")), "SEAL-SHAPE"),
    "another attribute on the seal": (_edited(lambda root: root.set("Id", "x")), "SEAL-SHAPE"),
    "no time on the seal": (_edited(lambda root: root.attrib.pop("created")), "SEAL-SHAPE"),
    "something beside the signed properties": (
        _edited(lambda root: etree.SubElement(one(root, "QualifyingProperties"), "x")),
        "SEAL-PROPERTIES",
    ),
    "something else in the Object": (
        _edited(lambda root: etree.SubElement(one(root, "Object"), "x")),
        "SEAL-PROPERTIES",
    ),
    "a second Object": (_edited(lambda root: etree.SubElement(one(root, "Signature"), f"{{{DS}}}Object")), "SIG-SHAPE"),
    "properties of another signature": (
        _edited(lambda root: one(root, "QualifyingProperties").set("Target", "#x")),
        "SEAL-PROPERTIES",
    ),
    "properties of no signature": (
        _edited(lambda root: one(root, "QualifyingProperties").attrib.pop("Target")),
        "SEAL-PROPERTIES",
    ),
    "a Reference outside": (
        _edited(lambda root: one(root, "SignedInfo")[-1].set("URI", "http://127.0.0.1:9/x")),
        "SIG-URI",
    ),
    "a Reference to itself": (
        _edited(lambda root: one(root, "SignedInfo")[-1].set("URI", "#seal-signature")),
        "SEAL-PROPERTIES",
    ),
    "stray text": (_edited(lambda root: setattr(root, "text", "x")), "SEAL-SHAPE"),
    "comment": (_edited(lambda root: root[0].append(etree.Comment("x"))), "SIG-COMMENT"),
    "comment beside the root": (lambda seal: seal + b"<!--x-->", "SIG-COMMENT"),
    "instruction beside the root": (lambda seal: seal.replace(b"<Seal ", b"<?x y?><Seal ", 1), "SIG-COMMENT"),
    "no signed properties": (_edited(lambda root: one(root, "Object").clear()), "SEAL-PROPERTIES"),
    "two signed properties": (
        _edited(lambda root: one(root, "QualifyingProperties").append(etree.Element(f"{XADES}SignedProperties"))),
        "SEAL-PROPERTIES",
    ),
    "another Id": (_edited(lambda root: one(root, "SignedProperties").set("Id", "x")), "SEAL-PROPERTIES"),
    "the Id twice": (_edited(lambda root: one(root, "MimeType").set("Id", "seal-properties")), "SIG-URI"),
    "no KeyInfo": (_edited(lambda root: one(root, "Signature").remove(one(root, "KeyInfo"))), "SIG-SHAPE"),
    "no Reference to the properties": (
        _edited(lambda root: one(root, "SignedInfo").remove(one(root, "SignedInfo")[-1])),
        "SIG-REFERENCES",
    ),
    "Reference of another Type": (
        _edited(lambda root: one(root, "SignedInfo")[-1].set("Type", "urn:x")),
        "SIG-REFERENCES",
    ),
    "no certificate": (_edited(lambda root: one(root, "KeyInfo").clear()), "SIG-NO-CERTIFICATE"),
    "a field changed": (_edited(lambda root: setattr(root[0], "text", "G22")), "SEAL-DIGEST"),
    "an attribute changed": (_edited(lambda root: root.set("created", "2020-01-01T00:00:00+07:00")), "SEAL-DIGEST"),
    "signing time changed": (
        _edited(lambda root: setattr(one(root, "SigningTime"), "text", "2020-01-01T00:00:00Z")),
        "SEAL-DIGEST",
    ),
    "signature value changed": (
        _edited(lambda root: setattr(one(root, "SignatureValue"), "text", base64.b64encode(bytes(256)).decode())),
        "SIG-SIGNATURE",
    ),
}


@pytest.mark.parametrize("case", MISSHAPEN)
def test_a_misshapen_seal_proves_nothing(case: str, packet_of: Any) -> None:
    """A seal that cannot be read, or was changed, has its reason; the packet is not VALID (The seal, Checking)."""
    edit, expected = MISSHAPEN[case]
    verification = _with_seal(packet_of, edit(_seal_of(packet_of())))
    assert verification.reason == expected, verification.explanation
    assert verification.message is None


def test_a_seal_that_cannot_be_decoded_is_unreadable(rebuilt: bytes) -> None:
    """A seal whose base64 is broken is unreadable, not a crash."""
    broken = _changed(rebuilt, lambda root: _recontent(root, 2, b""), _break_last)
    assert _verify(broken).reason == "SEAL-UNREADABLE"


def _break_last(root: etree._Element) -> None:
    one(_attachments(root)[-1], "ContentTransferEncoded").text = "%%%%"


def test_an_own_signature_that_holds_carries_an_unreadable_seal(packet_of: Any, agency: AgencyKeys) -> None:
    """A seal nobody can judge says nothing: the packet's own signature decides, with a finding."""
    verification = _with_seal(packet_of, b"<Seal xmlns='urn:other'/>", keys=agency)
    assert (verification.reason, verification.method) == ("SIG-OK", "packet")
    assert ("SEAL-UNCHECKED", "SEAL-VERSION") in [(f.code, f.detail) for f in verification.findings]


def test_a_seal_for_something_else_makes_a_signed_packet_invalid(packet_of: Any, agency: AgencyKeys) -> None:
    """A seal that vouches for other content counts against the packet, though its own signature holds."""
    other = _seal_of(packet_of(sample_document(subject="V/v khác")))
    verification = _with_seal(packet_of, other, keys=agency)
    assert (verification.status, verification.reason) == (VerificationStatus.INVALID, "SEAL-DIFFERS")
    assert [difference.name for difference in verification.differences] == ["Subject"]
    assert verification.certificate == agency.certificate


def test_a_broken_own_signature_outweighs_an_unreadable_seal(packet_of: Any, agency: AgencyKeys) -> None:
    """INVALID is not hidden behind a seal that cannot be judged."""
    data = packet_of(keys=agency, seal=lambda digests: b"<x/>").replace("Giám đốc".encode(), "Bộ trưởng".encode())
    assert _verify(data).reason == "SIG-DIGEST"


def test_what_a_seal_hands_out_is_what_was_signed(packet_of: Any, trusted: VerifyPolicy) -> None:
    """Other code points that only compare equal (Unicode NFC) are not handed out as signed (The seal, Values)."""
    name = "cong van Â.pdf"
    files = (edxml.Attachment.from_bytes(b"%PDF-1.4 x", name=name),)
    document = sample_document(number="77", notation="UBND-KT", attachments=files)
    data = packet_of(document, keys=None).decode()
    changed = data.replace("UBND-KT<", "UBND-\u212aT<").replace("/UBND-KT", "/UBND-\u212aT").replace("Â", "A\u0302")
    assert changed != data
    packet = edxml.read(changed.encode())
    verification = verify(packet, trusted)
    assert (verification.reason, packet.message.id == document.id) == ("SEAL-OK", False)
    assert isinstance(verification.message, edxml.Document)
    assert (verification.message.id, verification.message.notation) == (document.id, "UBND-KT")
    assert [one.name for one in verification.attachments] == [name]
    assert verification.attachments[0].sha256 == files[0].sha256
    assert verification.message.attachments == verification.attachments


def test_many_changed_files_are_matched() -> None:
    """Files renamed, changed, gone and new are told apart, however many there are (The seal, Checking)."""
    sealed = [edxml.AttachmentDigest(f"{one}.pdf", 1, f"{one:064}") for one in range(3000)]
    received = [edxml.AttachmentDigest(f"{one}.pdf", 1, f"{one + 5000:064}") for one in range(1, 2990)]
    received += [edxml.AttachmentDigest("x.pdf", 1, f"{2995:064}"), edxml.AttachmentDigest("y.pdf", 1, f"{9999:064}")]
    differences = _compare_files(sealed, received)
    assert [one.name for one in differences[-11:]] == [
        "0.pdf",
        *(f"{n}.pdf" for n in (*range(2990, 2995), *range(2996, 3000))),
        "y.pdf",
    ]
    assert len(differences) == 2989 + 1 + 11
