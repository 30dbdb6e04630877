"""The seal of a status: its fields, signed so that a hub which rebuilds packets leaves the proof."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from edoc_connector import edxml
from edoc_connector.mockhub import rebuild_packet
from edoc_connector.signing import Verification, VerificationStatus, VerifyPolicy, enveloped, verify
from edoc_connector.testing.keys import AgencyKeys, agency_keys

NS = f"{{{edxml.NS}}}"
DS = f"{{{edxml.DS}}}"
AT = datetime(2026, 11, 21, 3, 4, 5, tzinfo=UTC)
STATUS = edxml.StatusMessage(
    sender=edxml.Organization(id="H29.05", name="Sở Nội vụ", email="lienhe@example.vn"),
    response_for=edxml.ResponseFor(
        organ_id="G22", code="7816/VPCP", document_id="G22,2026/11/20,7816/VPCP", issued_on=date(2026, 11, 20)
    ),
    code=edxml.StatusCode.ACCEPTED,
    description="Đã vào sổ  \r\n số 12",
    timestamp=AT,
    staff=edxml.StaffInfo(department="Văn thư", staff="Trần Thị B"),
)


@pytest.fixture
def written(tmp_path: Path, agency: AgencyKeys) -> Callable[..., bytes]:
    """Writes a signed and sealed status."""

    def make(status: edxml.StatusMessage = STATUS, *, sealed: bool = True, keys: AgencyKeys = agency) -> bytes:
        target = tmp_path / "status.edxml"
        signature = enveloped(keys.signer(), status=status if sealed else None)
        edxml.write(status, target, at=AT, signature=signature)
        return target.read_bytes()

    return make


@pytest.fixture
def rebuilt(tmp_path: Path) -> Callable[[bytes], bytes]:
    """Sends a packet through a hub that rebuilds packets."""

    def make(packet: bytes) -> bytes:
        source, target = tmp_path / "in.edxml", tmp_path / "out.edxml"
        source.write_bytes(packet)
        rebuild_packet(source, target, at=AT, organ_id="hub", limit=1 << 20)
        return target.read_bytes()

    return make


@pytest.fixture
def anchored(agency: AgencyKeys, trusted: VerifyPolicy) -> VerifyPolicy:
    """Trust in the sender's root, with the authority below it at hand: a hub leaves one certificate of a signature."""
    return VerifyPolicy(mode=trusted.mode, anchors=trusted.anchors, intermediates=agency.certificates[1:])


def _verify(data: bytes, policy: VerifyPolicy | None = None) -> Verification:
    return verify(edxml.read(data), policy)


def test_a_sealed_status_is_valid_by_its_own_signature(
    written: Callable[..., bytes], trusted: VerifyPolicy, agency: AgencyKeys
) -> None:
    """Where no hub rebuilt it the signature over the whole packet counts, by both verifiers (The seal, statuses)."""
    verification = _verify(written(), trusted)
    assert (verification.reason, verification.method, verification.unsealed) == ("SIG-OK", "packet", ())
    assert verification.certificate == agency.certificate
    assert verification.message == STATUS


@pytest.mark.parametrize("times", [1, 2])
def test_a_rebuilt_status_is_valid_by_its_seal(
    written: Callable[..., bytes],
    rebuilt: Callable[[bytes], bytes],
    anchored: VerifyPolicy,
    agency: AgencyKeys,
    times: int,
) -> None:
    """Rebuilt once or twice its fields are proved, and what is not is named (The seal, "Statuses are sealed too")."""
    packet = written()
    for _ in range(times):
        packet = rebuilt(packet)
    verification = _verify(packet, anchored)
    assert (verification.status, verification.reason) == (VerificationStatus.VALID, "SEAL-OK")
    assert (verification.method, verification.trusted) == ("seal", True)
    assert verification.certificate == agency.certificate
    assert verification.unsealed == ("From.OrganName", "From.Email")
    assert {"From.OrganId", "StatusCode", "Timestamp", "StaffInfo.Staff"} <= set(verification.sealed)
    assert [one.code for one in verification.findings] == ["SIG-REBUILT"]
    assert isinstance(verification.message, edxml.StatusMessage)
    assert edxml.facts(verification.message) == edxml.facts(STATUS)


CHANGES = {
    "StatusCode": "06",
    "Description": "khác",
    "Timestamp": "2026/11/21 10:04:06",
    "From/OrganId": "H30",
    "ResponseFor/DocumentId": "d-2",
    "ResponseFor/Code": "7817/VPCP",
    "ResponseFor/OrganId": "G23",
    "ResponseFor/PromulgationDate": "2026/11/21",
    "StaffInfo/Staff": "Trần Thị C",
    "StaffInfo/Department": "",
}


@pytest.mark.parametrize("path", CHANGES)
def test_a_changed_status_is_invalid(
    path: str, written: Callable[..., bytes], rebuilt: Callable[[bytes], bytes]
) -> None:
    """A sealed field of a status that differs or is missing makes it INVALID (The seal, Fields)."""
    root = etree.fromstring(rebuilt(written()))
    steps = "/".join(f"{NS}{step}" for step in path.split("/"))
    root.find(f".//{NS}MessageHeader/{steps}").text = CHANGES[path]
    verification = _verify(etree.tostring(root))
    assert (verification.status, verification.reason) == (VerificationStatus.INVALID, "SEAL-STATUS-DIFFERS")
    assert verification.message is None


def test_a_status_with_an_element_twice_is_invalid(
    written: Callable[..., bytes], rebuilt: Callable[[bytes], bytes]
) -> None:
    """A second StatusCode, which some readers take, makes a status INVALID by name (The seal, Checking)."""
    root = etree.fromstring(rebuilt(written()))
    (header,) = root.iter(f"{NS}MessageHeader")
    etree.SubElement(header, f"{NS}StatusCode").text = "06"
    verification = _verify(etree.tostring(root))
    assert verification.reason == "SEAL-DIFFERS"
    assert [one.name for one in verification.differences] == ["StatusCode"]


SIGNATURES: dict[str, Callable[[etree._Element], Any]] = {
    "value changed": lambda one: setattr(one.find(f"{NS}SignatureValue"), "text", "A" * 344),
    "fields' digest changed": lambda one: setattr(one.findall(f".//{NS}DigestValue")[1], "text", "A" * 43 + "="),
    "packet's digest changed": lambda one: setattr(one.findall(f".//{NS}DigestValue")[0], "text", "A" * 43 + "="),
    "a third Reference": lambda one: one[0].append(etree.fromstring(etree.tostring(one[0][-1]))),
    "no packet Reference": lambda one: one[0].remove(one[0][2]),
    "an Object of its own": lambda one: etree.SubElement(one, f"{NS}Object"),
    "twice": lambda one: one.addnext(etree.fromstring(etree.tostring(one))),
    "a comment": lambda one: one[0].append(etree.Comment("x")),
}


@pytest.mark.parametrize("case", SIGNATURES)
def test_a_broken_signature_of_a_status_proves_nothing(
    case: str, written: Callable[..., bytes], rebuilt: Callable[[bytes], bytes], anchored: VerifyPolicy
) -> None:
    """Nothing but the accepted shape, unchanged, proves a status that a hub rebuilt (The seal, statuses)."""
    root = etree.fromstring(rebuilt(written()))
    (signature,) = root.iter(f"{NS}Signature")
    SIGNATURES[case](signature)
    verification = _verify(etree.tostring(root), anchored)
    assert verification.status is not VerificationStatus.VALID
    assert verification.message is None


def test_another_agencys_status_is_not_the_senders(
    written: Callable[..., bytes], rebuilt: Callable[[bytes], bytes], stranger: AgencyKeys, anchored: VerifyPolicy
) -> None:
    """A status sealed by a key that nobody here trusts is not VALID under `trusted` (The seal, Checking)."""
    verification = _verify(rebuilt(written(keys=stranger)), anchored)
    assert (verification.status, verification.reason) == (VerificationStatus.UNVERIFIABLE, "SIG-UNTRUSTED")


def test_a_status_signed_without_a_seal_reads_as_before(
    written: Callable[..., bytes], rebuilt: Callable[[bytes], bytes], trusted: VerifyPolicy
) -> None:
    """Statuses of form 1, and of other vendors, are proved by the signature alone, as long as nobody rebuilds them."""
    packet = written(sealed=False)
    assert _verify(packet, trusted).reason == "SIG-OK"
    assert _verify(rebuilt(packet), trusted).reason == "SIG-NAMESPACE"


def test_the_object_of_a_status_must_be_its_own(written: Callable[..., bytes], trusted: VerifyPolicy) -> None:
    """An Object that says something else than the status is INVALID, whatever its own digest (The seal, statuses)."""
    packet = written()
    assert _verify(packet.replace(b">03<", b">06<", 1), trusted).status is VerificationStatus.INVALID
    changed = packet.replace(b'name="StatusCode">03', b'name="StatusCode">06')
    assert changed != packet
    assert _verify(changed, trusted).reason == "SEAL-STATUS-DIFFERS"


@pytest.mark.parametrize("kind", ["rsa", "p256", "p384"])
def test_every_kind_of_key_seals_statuses(
    kind: Any, written: Callable[..., bytes], rebuilt: Callable[[bytes], bytes]
) -> None:
    """The form is the same for every accepted key (The seal, Signature)."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05", kind=kind)
    policy = VerifyPolicy(mode=VerifyPolicy.TRUSTED, anchors=(keys.root,), intermediates=keys.certificates[1:])
    assert _verify(written(keys=keys), policy).reason == "SIG-OK"
    assert _verify(rebuilt(written(keys=keys)), policy).reason == "SEAL-OK"
