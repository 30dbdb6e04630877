"""Keys, packets signed in every way, and a hub that rebuilds packets."""

from __future__ import annotations

import base64
import copy
import io
import logging
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import xmlsec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import etree

from edoc_connector import edxml
from edoc_connector.errors import EdocError
from edoc_connector.signing import VerifyMode, VerifyPolicy, enveloped, seal_maker
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import AgencyKeys, agency_keys, authority

NS, DS = edxml.NS, edxml.DS
_Q = f"{{{DS}}}"


class Told(logging.Handler):
    """A log handler that keeps everything logged, with tracebacks, and the words of every error that is made."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.words: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record's words."""
        self.words.append(self.format(record))

    def secrets_of(self, module: Any) -> list[str]:
        """List the secrets of a test module, or of the token, that were told; keys in PEM form count too."""
        named = [getattr(module, name, "") for name in ("PASSWORD", "PIN", "TOKEN")]
        known = [*filter(None, named), "throwaway-pin-739154", "PRIVATE KEY-----\nM"]
        return [secret for secret in known for words in self.words if secret in words]


@pytest.fixture(autouse=True)
def told(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    """After each test: no key, password, PIN or access token was in a log record or in an error of ours."""
    spy, make = Told(), EdocError.__init__

    def made(self: EdocError, message: str, *, vi: str) -> None:
        spy.words.append(f"{message} {vi}")
        make(self, message, vi=vi)

    monkeypatch.setattr(EdocError, "__init__", made)
    root, ours = logging.getLogger(), logging.getLogger("edoc_connector")
    levels = [(one, one.level) for one in (root, ours)]
    root.addHandler(spy)
    for one, _ in levels:
        one.setLevel(logging.DEBUG)
    yield spy
    for one, level in levels:
        one.setLevel(level)
    root.removeHandler(spy)
    assert spy.secrets_of(request.module) == []


@pytest.fixture(scope="session")
def agency() -> AgencyKeys:
    """The sender's RSA keys."""
    return agency_keys("Sở Nội vụ", organ_id="H29.05")


@pytest.fixture(scope="session")
def stranger() -> AgencyKeys:
    """Keys under an authority that nobody here trusts."""
    return authority("Stranger CA").agency("Kẻ lạ", organ_id="H29.05", kind="p256")


@pytest.fixture(scope="session")
def trusted(agency: AgencyKeys) -> VerifyPolicy:
    """Trust in the sender's root authority."""
    return VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=(agency.root,))


Write = Callable[..., bytes]


@pytest.fixture
def packet_of(tmp_path: Path, agency: AgencyKeys) -> Write:
    """A function that writes a packet and gives its bytes."""

    def write(
        document: Any = None,
        *,
        keys: AgencyKeys | None = agency,
        sealing: AgencyKeys | None = agency,
        seal: Any = None,
    ) -> bytes:
        document = sample_document() if document is None else document
        at = datetime.now(UTC)
        target = tmp_path / "packet.edxml"
        if seal is None and sealing is not None:
            seal = seal_maker(document, signer=sealing.signer(), at=at)
        edxml.write(document, target, at=at, signature=enveloped(keys.signer()) if keys else None, seal=seal)
        return target.read_bytes()

    return write


@pytest.fixture
def signed(packet_of: Write) -> bytes:
    """A packet with its own signature and no seal."""
    return packet_of(sealing=None)


@pytest.fixture(scope="session")
def rich() -> edxml.Document:
    """A document with something in every field."""
    fields: dict[str, Any] = {
        "recipients": (edxml.Organization(id="G22", name="VPCP"), edxml.Organization(id="A01", name="Bộ A")),
        "content": "Nội dung ngắn",
        "due_date": date(2027, 1, 5),
        "priority": edxml.Priority(1),
        "sphere": "Lưu hành nội bộ",
        "typer_notation": "TVC",
        "copies": 10,
        "pages": 2,
        "steering_document": True,
        "appendixes": ("Phụ lục I", "Phụ lục II"),
        "responses_for": (
            edxml.ResponseFor(organ_id="G22", code="12/VPCP", document_id="d-1", issued_on=date(2026, 1, 2)),
            edxml.ResponseFor(organ_id="A01", code="13/BA", document_id="d-2", issued_on=date(2026, 1, 3)),
        ),
        "steering": True,
        "task_codes": ("T1", "T2"),
        "to_places": ("Như trên", "Lưu VT"),
        "attachments": (
            edxml.Attachment.from_bytes(b"%PDF-1.4 x", name="cong-van.pdf"),
            edxml.Attachment.from_bytes(b"a;b\r\n", name="bảng số liệu.csv"),
        ),
    }
    return sample_document(**fields)


def _text(element: etree._Element, name: str) -> etree._Element:
    found = next(element.iter(f"{{*}}{name}"))
    assert found is not None
    return found


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    child = etree.SubElement(parent, f"{{{NS}}}{name}")
    child.text = text
    return child


def _rename_signature(root: etree._Element) -> None:
    for signature in list(root.iter(_Q + "Signature")):
        for element in signature.iter(_Q + "*"):
            element.tag = f"{{{NS}}}{etree.QName(element).localname}"
        for extra in list(signature.iter(f"{{{NS}}}X509Certificate"))[1:]:
            extra.getparent().remove(extra)


def _zip(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"5f0c9b1e{Path(name).suffix}", content)
    return packed.getvalue()


def _repack(root: etree._Element) -> None:
    for attachment in root.iter(f"{{{NS}}}Attachment"):
        name = attachment.findtext(f"{{{NS}}}AttachmentName") or ""
        content = _text(attachment, "ContentTransferEncoded")
        if name.lower().endswith((".pdf", ".doc", ".docx", ".zip")):
            continue
        content.text = base64.b64encode(_zip(name, base64.b64decode(content.text or ""))).decode()
        _text(attachment, "ContentType").text = "application/zip"


@pytest.fixture(scope="session")
def rebuild() -> Callable[[bytes], bytes]:
    """A function that rebuilds a packet as a hub does (VXP interface, What the hub does to a packet on its way)."""

    def rebuilt(packet: bytes) -> bytes:
        root = etree.fromstring(packet, etree.XMLParser(huge_tree=True, remove_blank_text=True))
        _rename_signature(root)
        trace = _text(root, "TraceHeaderList")
        trace.insert(1, copy.deepcopy(trace[0]))
        _text(trace[1], "OrganId").text = "null"
        other = root.find(f".//{{{NS}}}OtherInfo")
        if other is None:
            other = _add(_text(root, "MessageHeader"), "OtherInfo")
        for name, value in (
            ("Priority", "0"),
            ("PromulgationAmount", "1"),
            ("PageAmount", "1"),
            ("Direction", "false"),
        ):
            if other.find(f"{{{NS}}}{name}") is None:
                _add(other, name, value)
        if root.find(f".//{{{NS}}}SteeringType") is None:
            _add(_text(root, "MessageHeader"), "SteeringType", "0")
        for content_id in root.iter(f"{{{NS}}}ContentId"):
            content_id.text = f"cid:{content_id.text}"
        _repack(root)
        text = etree.tostring(root, pretty_print=True, xml_declaration=True, encoding="UTF-8")
        return text.replace(b"\n", b"\r\n")

    return rebuilt


XmlsecSign = Callable[..., bytes]


@pytest.fixture
def xmlsec_signed(packet_of: Write, agency: AgencyKeys) -> XmlsecSign:
    """A function that signs a packet through xmlsec, in any way that other people's software might."""

    def sign(
        *,
        keys: AgencyKeys = agency,
        c14n: Any = xmlsec.constants.TransformExclC14N,
        method: Any = xmlsec.constants.TransformRsaSha256,
        digest: Any = xmlsec.constants.TransformSha256,
        transforms: tuple[Any, ...] = (xmlsec.constants.TransformEnveloped, xmlsec.constants.TransformExclC14N),
        uri: str = "",
        before: Callable[[etree._Element], None] = lambda _root: None,
        template: Callable[[etree._Element], None] = lambda _signature: None,
        key: Any = None,
    ) -> bytes:
        root = etree.fromstring(packet_of(keys=None, sealing=None))
        before(root)
        signature = xmlsec.template.create(root, c14n, method)
        _text(root, "edXMLHeader").append(signature)
        reference = xmlsec.template.add_reference(signature, digest, uri=uri)
        for transform in transforms:
            xmlsec.template.add_transform(reference, transform)
        data = etree.SubElement(xmlsec.template.ensure_key_info(signature), _Q + "X509Data")
        for one in keys.certificates[:-1]:
            der = one.public_bytes(Encoding.DER)
            etree.SubElement(data, _Q + "X509Certificate").text = base64.b64encode(der).decode()
        # lxml does not find by name what xmlsec has added to a tree; a tree parsed anew has no such nodes
        root = etree.fromstring(etree.tostring(root))
        signature = next(root.iter(_Q + "Signature"))
        template(signature)
        pem = keys.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        for step in ("sign", "verify"):
            context = xmlsec.SignatureContext()
            context.key = key or xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatPem)
            for element in root.iter("*"):
                if element.get("Id"):
                    context.register_id(element, "Id")
            getattr(context, step)(signature)
        return etree.tostring(root, xml_declaration=True, encoding="UTF-8")

    return sign
