"""Makes the test vectors of docs/seal.md anew, with throwaway keys; `vectors.json` says what each must come to.

Run ``python docs/vectors/generate.py``. Certificates last for a while only, so everything is judged at the moment that
stands in `vectors.json`; a test keeps the vectors verifying.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lxml import etree

from edoc_connector import edxml
from edoc_connector.edxml import Attachment, Document, Organization, ResponseFor
from edoc_connector.mockhub import rebuild_packet
from edoc_connector.signing import (
    OthersMode,
    TimestampAuthority,
    VerifyMode,
    VerifyPolicy,
    canonicalise,
    enveloped,
    seal_maker,
    verify,
)
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import AgencyKeys, Authority, authority
from edoc_connector.testing.responders import Responders

FOLDER = Path(__file__).parent
NS = f"{{{edxml.NS}}}"
CA = "Vector CA"
Change = Callable[[etree._Element], object]


def main() -> None:
    """Write everything."""
    at = datetime.now(UTC).replace(microsecond=0)
    ca = authority(CA)
    keys = ca.agency("Sở Nội vụ", organ_id="H29.05", kind="p256")
    keys.write_root(FOLDER / "root.pem")
    packets = {name: (data, what) for name, data, what in _packets(ca, keys, at)}
    _canonical_forms(packets["sealed.edxml"][0])
    entries = []
    for name, (data, what) in packets.items():
        (FOLDER / name).write_bytes(data)
        entries.append(_entry(name, data, what, keys, at))
    told = {"judged_at": at.isoformat(), "root": "root.pem", "vectors": entries}
    (FOLDER / "vectors.json").write_text(json.dumps(told, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _packets(ca: Authority, keys: AgencyKeys, at: datetime) -> Iterator[tuple[str, bytes, str]]:
    document = _document()
    sealed = _written(document, keys, at, own=False)
    rebuilt = _rebuilt(_written(document, keys, at, own=True), at)
    with _tsa(ca, at) as tsa:
        stamped = _written(document, keys, at, own=False, timestamp=tsa)
    yield "sealed.edxml", sealed, "a seal, and no signature of the packet's own"
    yield "signed-and-sealed.edxml", _written(document, keys, at, own=True), "both, by one key"
    yield "rebuilt.edxml", rebuilt, "the same after a hub has built the packet anew"
    yield "timestamped.edxml", stamped, "a seal with a time-stamp (XAdES baseline B-T)"
    for name, change, what in _CHANGES:
        root = etree.fromstring(sealed)
        change(root)
        yield name, etree.tostring(root, xml_declaration=True, encoding="UTF-8"), what
    stranger = authority("Stranger CA").agency("Sở Nội vụ", organ_id="H29.05", kind="p256")
    yield "stranger.edxml", _written(document, stranger, at, own=False), "by a key of an authority that is not trusted"


def _document() -> Document:
    return sample_document(
        recipients=(Organization(id="G22", name="Văn phòng Chính phủ"), Organization(id="A01", name="Bộ A")),
        issued_on=date(2026, 11, 20),
        due_date=date(2027, 1, 5),
        content="Nội dung có xuống dòng\r\nvà khoảng trắng ở cuối  ",
        responses_for=(
            ResponseFor(
                organ_id="G22", code="12/VPCP", document_id="G22,2026/01/02,12/VPCP", issued_on=date(2026, 1, 2)
            ),
        ),
        to_places=("Như trên", "Lưu VT"),
        attachments=(
            Attachment.from_bytes(b"%PDF-1.4 x", name="cong-van.pdf"),
            Attachment.from_bytes(b"a;b\r\n", name="bảng số liệu.csv"),
        ),
    )


def _written(document: Document, keys: AgencyKeys, at: datetime, *, own: bool, timestamp: Any = None) -> bytes:
    signer = keys.signer(clock=lambda: at)
    seal = seal_maker(document, signer=signer, at=at, timestamp=timestamp)
    with TemporaryDirectory() as folder:
        path = Path(folder, "x.edxml")
        edxml.write(document, path, at=at, signature=enveloped(signer) if own else None, seal=seal)
        return path.read_bytes()


def _rebuilt(packet: bytes, at: datetime) -> bytes:
    with TemporaryDirectory() as folder:
        source, target = Path(folder, "in.edxml"), Path(folder, "out.edxml")
        source.write_bytes(packet)
        rebuild_packet(source, target, at=at, organ_id=None, limit=1 << 24)
        return target.read_bytes()


@contextmanager
def _tsa(ca: Authority, at: datetime) -> Iterator[TimestampAuthority]:
    with Responders(ca, CA, clock=lambda: at) as responders:
        yield TimestampAuthority(url=responders.tsa_url)


def _one(root: etree._Element, name: str) -> etree._Element:
    return next(root.iter(f"{NS}{name}"))


def _files(root: etree._Element) -> list[etree._Element]:
    return list(root.iter(f"{NS}Attachment"))


def _content(element: etree._Element) -> etree._Element:
    return _one(element, "ContentTransferEncoded")


def _field_changed(root: etree._Element) -> None:
    _one(root, "Subject").text = "V/v khác"


def _field_missing(root: etree._Element) -> None:
    element = _one(root, "DueDate")
    element.getparent().remove(element)  # type: ignore[union-attr]  # it stands in MessageHeader


def _field_added(root: etree._Element) -> None:
    added = etree.SubElement(_one(root, "MessageHeader"), f"{NS}ApplicationType")
    added.text = "x"


def _hub_values_added(root: etree._Element) -> None:
    header = _one(root, "MessageHeader")
    other = (
        etree.SubElement(header, f"{NS}OtherInfo") if header.find(f"{NS}OtherInfo") is None else _one(root, "OtherInfo")
    )
    for name, value in (("PromulgationAmount", "1"), ("PageAmount", "1"), ("Direction", "false")):
        etree.SubElement(other, f"{NS}{name}").text = value


def _contact_changed(root: etree._Element) -> None:
    _one(_one(root, "From"), "OrganName").text = "Sở Nội vụ tỉnh"


def _attachment_changed(root: etree._Element) -> None:
    _content(_files(root)[0]).text = base64.b64encode(b"%PDF-1.4 y").decode()


def _attachment_renamed(root: etree._Element) -> None:
    for holder in (_files(root)[0], _one(root, "edXMLManifest")[0]):
        _one(holder, "AttachmentName").text = "quyet-dinh.pdf"


def _attachments_swapped(root: etree._Element) -> None:
    _one(root, "AttachmentEncoded").insert(0, _files(root)[1])


def _two_seals(root: etree._Element) -> None:
    _one(root, "AttachmentEncoded").append(copy.deepcopy(_files(root)[-1]))


def _seal_not_last(root: etree._Element) -> None:
    _one(root, "AttachmentEncoded").insert(0, _files(root)[-1])


def _seal_changed(root: etree._Element) -> None:
    content = _content(_files(root)[-1])
    seal = etree.fromstring(base64.b64decode(content.text or ""))
    next(one for one in seal if one.get("name") == "Subject").text = "V/v khác"
    content.text = base64.b64encode(etree.tostring(seal)).decode()
    _field_changed(root)


_CHANGES: tuple[tuple[str, Change, str], ...] = (
    ("hub-values-added.edxml", _hub_values_added, "the values that hubs add"),
    ("contact-changed.edxml", _contact_changed, "the sender's name refreshed by a hub"),
    ("field-changed.edxml", _field_changed, "a sealed field changed"),
    ("field-missing.edxml", _field_missing, "a sealed field taken out"),
    ("field-added.edxml", _field_added, "a field added that was not sealed"),
    ("attachment-changed.edxml", _attachment_changed, "an attachment's content changed"),
    ("attachment-renamed.edxml", _attachment_renamed, "an attachment renamed"),
    ("attachments-swapped.edxml", _attachments_swapped, "attachments in another order"),
    ("seal-changed.edxml", _seal_changed, "a field changed in the packet and in the seal"),
    ("two-seals.edxml", _two_seals, "two seals"),
    ("seal-not-last.edxml", _seal_not_last, "a seal that is not the last attachment"),
)


def _entry(name: str, data: bytes, what: str, keys: AgencyKeys, at: datetime) -> dict[str, Any]:
    policy = VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=(keys.root,), at=at, organisations_others=OthersMode.REPORT)
    verification = verify(edxml.read(data), policy)
    return {
        "file": name,
        "what": what,
        "status": verification.status.value,
        "reason": verification.reason,
        "differences": [one.name for one in verification.differences],
        "unsealed": list(verification.unsealed),
        "timestamped": verification.timestamped,
    }


def _canonical_forms(packet: bytes) -> None:
    """What is hashed and signed, octet for octet: where two implementations differ, they differ here first."""
    attachment = edxml.read(packet).attachments[-1]
    with attachment.open() as stream:
        data = stream.read()
    seal = etree.fromstring(data)
    signature = seal[-1]
    forms = {
        "seal.c14n": canonicalise(seal, exclusive=True, exclude=signature),
        "signed-properties.c14n": canonicalise(next(signature.iter("{*}SignedProperties")), exclusive=True),
        "signed-info.c14n": canonicalise(signature[0], exclusive=True),
    }
    (FOLDER / "edoc-seal.xml").write_bytes(data)
    for name, form in forms.items():
        (FOLDER / name).write_bytes(form)
    digests = [base64.b64decode(one.text or "") for one in signature[0].iter("{*}DigestValue")]
    if digests != [hashlib.sha256(forms[name]).digest() for name in ("seal.c14n", "signed-properties.c14n")]:
        raise SystemExit("the canonical forms are not those that were signed")


if __name__ == "__main__":
    main()
