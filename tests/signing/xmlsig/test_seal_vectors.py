"""The seal's published vectors and its page: they stay true, and an implementation that shares no code agrees."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import unicodedata
import xml.etree.ElementTree as ElementTree
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from edoc_connector import edxml
from edoc_connector.edxml import DOCUMENT_HEADER, DOCUMENT_TRACE, Table
from edoc_connector.signing import OthersMode, VerifyMode, VerifyPolicy, verify

DOCS = Path(__file__).resolve().parents[3] / "docs"
FOLDER = DOCS / "vectors"
TOLD: dict[str, Any] = json.loads((FOLDER / "vectors.json").read_text(encoding="utf-8"))
S = "{urn:edoc-connector:seal:1}"
D = "{http://www.w3.org/2000/09/xmldsig#}"
N = "{http://www.mic.gov.vn/TBT/QCVN_102_2016}"


@pytest.mark.parametrize("vector", TOLD["vectors"], ids=lambda vector: vector["file"])
def test_a_vector_comes_to_what_is_published(vector: dict[str, Any]) -> None:
    """Judged at the published moment with the published root, each vector has its status, reason and differences."""
    at = datetime.fromisoformat(TOLD["judged_at"])
    # nothing but an OU, which binds nobody, names the sender in the vectors' certificates
    others = OthersMode.REPORT
    policy = VerifyPolicy.load([FOLDER / TOLD["root"]], mode=VerifyMode.TRUSTED, at=at, organisations_others=others)
    verification = verify(edxml.read(FOLDER / vector["file"]), policy)
    assert {
        "status": verification.status.value,
        "reason": verification.reason,
        "differences": [one.name for one in verification.differences],
        "unsealed": list(verification.unsealed),
        "timestamped": verification.timestamped,
    } == {name: value for name, value in vector.items() if name not in ("file", "what")}


def test_every_file_is_listed() -> None:
    """No packet lies in the folder that the list does not tell of."""
    assert {path.name for path in FOLDER.glob("*.edxml")} == {vector["file"] for vector in TOLD["vectors"]}
    assert {vector["status"] for vector in TOLD["vectors"]} == {"VALID", "INVALID", "UNVERIFIABLE"}


# -- another implementation, by the page alone: no code of the package


def test_the_canonical_forms_are_what_was_signed() -> None:
    """The three published forms hash to the digests, and the value is the certificate's key's over SignedInfo."""
    signature = ElementTree.parse(FOLDER / "edoc-seal.xml").getroot()[-1]
    digests = [base64.b64decode(one.text or "") for one in signature.iter(f"{D}DigestValue")][:2]
    forms = [(FOLDER / name).read_bytes() for name in ("seal.c14n", "signed-properties.c14n")]
    assert digests == [hashlib.sha256(form).digest() for form in forms]
    certificate = x509.load_der_x509_certificate(base64.b64decode(signature.findtext(f".//{D}X509Certificate", "")))
    value = base64.b64decode(signature.findtext(f"{D}SignatureValue", ""))
    r, s = (int.from_bytes(half, "big") for half in (value[:32], value[32:]))
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(encode_dss_signature(r, s), (FOLDER / "signed-info.c14n").read_bytes(), ec.ECDSA(hashes.SHA256()))
    root = x509.load_pem_x509_certificate((FOLDER / "root.pem").read_bytes())
    issuing = x509.load_der_x509_certificate(
        base64.b64decode([one.text or "" for one in signature.iter(f"{D}X509Certificate")][1])
    )
    certificate.verify_directly_issued_by(issuing)
    issuing.verify_directly_issued_by(root)


_REPEATED = ("ResponseFor", "Appendix", "TaskCode", "Place", "Receiver", "ReplacementInfo")
_DROPPED = ("OrganizationInCharge", "OrganName", "OrganAdd", "Email", "Telephone", "Fax", "Website")


def _facts_by_the_page(packet: Path) -> list[tuple[str, str]]:
    """The fields of a packet as the page says to list them, with the standard library's parser."""
    header = ElementTree.parse(packet).getroot().find(f".//{N}edXMLHeader")
    assert header is not None
    found: list[tuple[str, str]] = []
    counts: dict[str, int] = {}

    def walk(element: ElementTree.Element, path: str) -> None:
        for child in element:
            tag = child.tag.rpartition("}")[2]
            name = f"{path}.{tag}" if path else tag
            if (tag in _DROPPED and path in ("From", "To")) or tag == "TraceHeader":
                continue
            # the place of issue is a Place too, and occurs once
            if (tag in _REPEATED and path != "PromulgationInfo") or path.endswith("OrganIdList"):
                counts[name] = counts.get(name, 0) + 1
                name = f"{name}.{counts[name]}"
            text = unicodedata.normalize("NFC", (child.text or "").replace("\r\n", "\n").replace("\r", "\n")).strip()
            if len(child):
                walk(child, name)
            elif text:
                found.append((name, text))

    for part in ("MessageHeader", "TraceHeaderList"):
        holder = header.find(f"{N}{part}")
        assert holder is not None
        walk(holder, "")
    return found


def _content_by_the_page(attachment: ElementTree.Element) -> bytes:
    data = base64.b64decode(attachment.findtext(f"{N}ContentTransferEncoded", ""))
    packed = attachment.findtext(f"{N}ContentType") == "application/zip"
    if not packed or attachment.findtext(f"{N}AttachmentName", "").endswith(".zip"):
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        (only,) = archive.namelist()
        return archive.read(only)


@pytest.mark.parametrize("name", ["sealed.edxml", "signed-and-sealed.edxml", "rebuilt.edxml", "timestamped.edxml"])
def test_another_implementation_lists_the_same(name: str) -> None:
    """Fields and files listed by the page alone, without the package, are those in the seal."""
    root = ElementTree.parse(FOLDER / name).getroot()
    files = list(root.iter(f"{N}Attachment"))
    contents = [_content_by_the_page(one) for one in files]
    seal = ElementTree.fromstring(contents[-1])
    assert [one.findtext(f"{N}AttachmentName") for one in files][-1] == "edoc-seal.xml"
    sealed = [(one.get("name", ""), one.text or "") for one in seal.iter(f"{S}Field")]
    read = _facts_by_the_page(FOLDER / name)
    added_by_hubs = [
        ("OtherInfo.PromulgationAmount", "1"),
        ("OtherInfo.PageAmount", "1"),
        ("OtherInfo.Direction", "false"),
    ]
    assert sorted(sealed) == sorted(one for one in read if one not in added_by_hubs)
    listed = [(one.get("size"), one.get("sha256")) for one in seal.iter(f"{S}Attachment")]
    assert listed == [(str(len(data)), hashlib.sha256(data).hexdigest()) for data in contents[:-1]]


# -- the page


def _names(table: Table, prefix: str = "") -> list[str]:
    names: list[str] = []
    for row in table.rows:
        if not row.sealed:
            continue
        name = prefix + row.path.replace("/", ".")
        if row.many and row.path != "To":
            name += ".#"
        names += _names(row.kind, f"{name}.") if isinstance(row.kind, Table) else [name]
    return names


def test_the_page_lists_every_field() -> None:
    """The fields on the page are those of the table that drives the code, in its order (The seal, Fields)."""
    page = (DOCS / "seal.md").read_text(encoding="utf-8")
    part = page.split("<!-- fields -->")[1].split("<!-- end of fields -->")[0]
    assert re.findall(r"`([A-Za-z.#]+)`", part) == [*_names(DOCUMENT_HEADER), *_names(DOCUMENT_TRACE)]
