"""Signature wrapping: a genuine signature of the agency's, sound as such, around which the packet says something else.

Two kinds of genuine signature are wrapped. One is our own shape, over the whole packet. The other is what other
software might make, over a part by its Id: there the attacks work against a verifier that follows the reference, which
the tests show by letting xmlsec follow it. Neither gets past `verify`.
"""

from __future__ import annotations

import copy
import hashlib
import http.server
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import xmlsec
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from edoc_connector import edxml
from edoc_connector.errors import PacketError
from edoc_connector.signing import Verification, VerificationStatus, VerifyPolicy, verify
from edoc_connector.signing.reasons import REASONS
from edoc_connector.signing.xmlsig.xmldsig import NewReference, build_signature, build_signed_info, sign_signed_info
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import AgencyKeys

NS, DS = edxml.NS, edxml.DS
_Q, _N = f"{{{DS}}}", f"{{{NS}}}"
FORGED = "V/v nội dung giả mạo"
EXC = xmlsec.constants.TransformExclC14N

Attack = Callable[[etree._Element], etree._Element]


def one(root: etree._Element, name: str) -> etree._Element:
    """The first element of a local name."""
    return next(root.iter(f"{{*}}{name}"))


def _forge(part: etree._Element) -> etree._Element:
    """A copy of a part with another subject and without an Id."""
    forged = copy.deepcopy(part)
    for element in forged.iter("*"):
        element.attrib.pop("Id", None)
    for subject in forged.iter(f"{_N}Subject"):
        subject.text = FORGED
    return forged


def _outcome(root: etree._Element, policy: VerifyPolicy) -> tuple[str, Verification | None]:
    try:
        verification = verify(edxml.read(etree.tostring(root)), policy)
    except PacketError as error:
        return error.code, None
    return verification.reason, verification


# -- a signature over MessageHeader by its Id, which other software takes for good


def _header_replaced(root: etree._Element, into: etree._Element, position: int | None = None) -> etree._Element:
    """The signed header goes elsewhere, a forged one takes its place."""
    signed = one(root, "MessageHeader")
    text = etree.tostring(signed, with_tail=False)
    signed.getparent().replace(signed, _forge(signed))
    into.insert(len(into) if position is None else position, etree.Element("here"))
    # as text: moving the element would have lxml give it the prefix that is usual at its new place
    return etree.fromstring(etree.tostring(root).replace(b'<here xmlns=""/>', text).replace(b"<here/>", text))


def _wrapper(root: etree._Element, holder: str, name: str) -> etree._Element:
    return etree.SubElement(one(root, holder), name)


def _object(root: etree._Element) -> etree._Element:
    return etree.SubElement(one(root, "Signature"), _Q + "Object")


def _second_envelope(root: etree._Element) -> etree._Element:
    """The whole genuine envelope behind a forged one that has no signature."""
    genuine = one(root, "edXMLEnvelope")
    forged = _forge(genuine)
    signature = one(forged, "Signature")
    signature.getparent().remove(signature)
    root.insert(0, forged)
    return root


def _forged_first(root: etree._Element) -> etree._Element:
    signed = one(root, "MessageHeader")
    signed.addprevious(_forge(signed))
    return root


def _forged_last(root: etree._Element) -> etree._Element:
    signed = one(root, "MessageHeader")
    signed.addnext(_forge(signed))
    return root


def _header_around(root: etree._Element) -> etree._Element:
    """The forged header holds the signed one."""
    signed = one(root, "MessageHeader")
    forged = _forge(signed)
    signed.getparent().replace(signed, forged)
    forged.append(signed)
    return root


def _signature_around(root: etree._Element) -> etree._Element:
    """Everything genuine inside the Object of the genuine signature, which stands in a forged packet."""
    forged = copy.deepcopy(root)
    one(forged, "Subject").text = FORGED
    one(forged, "MessageHeader").attrib.pop("Id")
    _object(forged).append(one(root, "MessageHeader"))
    return forged


def _signature_moved_along(root: etree._Element) -> etree._Element:
    """Signature and signed header together in an element nobody knows, a forged header without signature beside."""
    signed, signature = one(root, "MessageHeader"), one(root, "Signature")
    header = signed.getparent()
    assert header is not None
    header.replace(signed, _forge(signed))
    holder = etree.SubElement(header, f"{_N}Extension")
    holder.extend([signed, signature])
    return root


def _in_the_attachments(root: etree._Element) -> etree._Element:
    return _header_replaced(root, one(root, "AttachmentEncoded"))


BY_ID: dict[str, tuple[Attack, str]] = {
    "untouched: a part is signed, not the packet": (lambda root: root, "SIG-URI"),
    "signed header moved into an Object": (lambda root: _header_replaced(root, _object(root)), "SIG-STRUCTURE"),
    "signed header moved behind the body": (
        lambda root: _header_replaced(root, _wrapper(root, "edXMLEnvelope", f"{_N}Old")),
        "SIG-STRUCTURE",
    ),
    "signed header moved to the root": (lambda root: _header_replaced(root, root), "SIG-STRUCTURE"),
    "signed header moved among the attachments": (_in_the_attachments, "SIG-STRUCTURE"),
    "signed header moved into the body": (
        lambda root: _header_replaced(root, one(root, "edXMLBody")),
        "SIG-STRUCTURE",
    ),
    "signed header inside the forged one": (_header_around, "SIG-STRUCTURE"),
    "forged header before the signed one": (_forged_first, "EDX-STRUCTURE"),
    "forged header behind the signed one": (_forged_last, "EDX-STRUCTURE"),
    "second envelope in front": (_second_envelope, "EDX-STRUCTURE"),
    "signed packet in an Object of its signature": (_signature_around, "SIG-STRUCTURE"),
    "signature and signed header moved together": (_signature_moved_along, "SIG-STRUCTURE"),
}


@pytest.fixture
def by_id(xmlsec_signed: Any) -> etree._Element:
    """A packet whose MessageHeader alone is signed, by its Id."""
    data = xmlsec_signed(
        uri="#signed", transforms=(EXC,), before=lambda root: one(root, "MessageHeader").set("Id", "signed")
    )
    return etree.fromstring(data)


def _follows_the_reference(root: etree._Element, keys: AgencyKeys) -> bool:
    """What a verifier says that asks only whether some signature holds over something."""
    root = etree.fromstring(etree.tostring(root))
    context = xmlsec.SignatureContext()
    pem = keys.certificate.public_bytes(Encoding.PEM)
    context.key = xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatCertPem)
    for element in root.iter("*"):
        if element.get("Id"):
            context.register_id(element, "Id")
    try:
        context.verify(one(root, "Signature"))
    except xmlsec.Error:
        return False
    return True


@pytest.mark.parametrize("name", BY_ID)
def test_a_signed_part_that_is_not_what_is_read(
    name: str, by_id: etree._Element, agency: AgencyKeys, trusted: VerifyPolicy
) -> None:
    """The signed part is moved, copied or wrapped: the signature holds for xmlsec, and the packet is never VALID."""
    attack, expected = BY_ID[name]
    attacked = attack(by_id)
    assert _follows_the_reference(attacked, agency), "the attack is broken, not the defence"
    for policy in (trusted, VerifyPolicy(legacy_sha1=True)):
        reason, verification = _outcome(attacked, policy)
        assert reason == expected, verification and verification.explanation
        assert verification is None or _gives_nothing(verification)


def _gives_nothing(verification: Verification) -> bool:
    handed = (verification.message, verification.attachments, verification.method, verification.certificate)
    return verification.status is not VerificationStatus.VALID and handed == (None, (), None, None)


# -- our own shape, over the whole packet


def _genuine_inside(root: etree._Element, holder: str, tag: str) -> etree._Element:
    """The whole genuine packet inside a forged one."""
    forged = copy.deepcopy(root)
    one(forged, "Subject").text = FORGED
    own = one(forged, "Signature")
    own.getparent().remove(own)
    etree.SubElement(one(forged, holder), tag).append(root)
    return forged


def _second_signature(root: etree._Element) -> etree._Element:
    """The genuine signature among other people's, and a forged subject."""
    one(root, "Subject").text = FORGED
    one(root, "edXMLHeader").append(copy.deepcopy(one(root, "Signature")))
    return root


def _digest_moved_into_an_object(root: etree._Element) -> etree._Element:
    """The genuine SignedInfo in an Object; the one that is looked at first covers nothing."""
    genuine = one(root, "SignedInfo")
    empty = copy.deepcopy(genuine)
    genuine.getparent().replace(genuine, empty)
    one(root, "Subject").text = FORGED
    _object(root).append(genuine)
    return root


def _attachments_swapped(root: etree._Element) -> etree._Element:
    """The files change places under a header and manifest that nobody touched."""
    first, second = one(root, "AttachmentEncoded")
    for name in ("ContentTransferEncoded",):
        a, b = one(first, name), one(second, name)
        a.text, b.text = b.text, a.text
    return root


def _attachment_names_swapped(root: etree._Element) -> etree._Element:
    first, second = one(root, "AttachmentEncoded")
    a, b = one(first, "AttachmentName"), one(second, "AttachmentName")
    a.text, b.text = b.text, a.text
    return root


def _attachment_appended(root: etree._Element) -> etree._Element:
    holder = one(root, "AttachmentEncoded")
    holder.append(copy.deepcopy(holder[0]))
    return root


def _subject_split(node: Callable[[str], etree._Element]) -> Attack:
    def split(root: etree._Element) -> etree._Element:
        subject = one(root, "Subject")
        whole, subject.text = subject.text or "", (subject.text or "")[:4]
        cut = node("x")
        cut.tail = whole[4:]
        subject.insert(0, cut)
        return root

    return split


def _entity(root: etree._Element) -> etree._Element:
    one(root, "Subject").tag = f"{_N}subject"
    return root


def _subject_added(position: int) -> Attack:
    def add(root: etree._Element) -> etree._Element:
        forged = copy.deepcopy(one(root, "Subject"))
        forged.text = FORGED
        one(root, "MessageHeader").insert(position, forged)
        return root

    return add


WHOLE: dict[str, tuple[Attack, str]] = {
    "genuine packet in the forged header": (
        lambda root: _genuine_inside(root, "edXMLHeader", f"{_N}Extension"),
        "SIG-STRUCTURE",
    ),
    "genuine packet behind the attachments": (
        lambda root: _genuine_inside(root, "AttachmentEncoded", f"{_N}Extension"),
        "SIG-STRUCTURE",
    ),
    "genuine packet in an Object": (lambda root: _genuine_inside(root, "edXMLHeader", f"{_Q}Object"), "SIG-STRUCTURE"),
    "second signature": (_second_signature, "SIG-MANY"),
    "SignedInfo moved into an Object": (_digest_moved_into_an_object, "SIG-OBJECT"),
    "attachments swapped under an untouched header": (_attachments_swapped, "SIG-DIGEST"),
    "attachments' names swapped": (_attachment_names_swapped, "SIG-DIGEST"),
    "attachment appended": (_attachment_appended, "SIG-DIGEST"),
    "subject cut by a comment": (_subject_split(etree.Comment), "SIG-COMMENT"),
    "subject cut by an instruction": (_subject_split(etree.ProcessingInstruction), "SIG-COMMENT"),
    "subject by another name": (_entity, "SIG-DIGEST"),
    "second subject in front": (_subject_added(0), "SIG-DIGEST"),
    "second subject at the end": (_subject_added(99), "SIG-DIGEST"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_signed_packet_that_is_not_what_is_read(name: str, packet_of: Any, trusted: VerifyPolicy) -> None:
    """A genuine packet is wrapped, doubled or cut: never VALID, with its reason, and nothing of it is handed out."""
    attack, expected = WHOLE[name]
    files = tuple(edxml.Attachment.from_bytes(data, name=name) for name, data in (("a.pdf", b"aaa"), ("b.pdf", b"bbb")))
    data = packet_of(sample_document(attachments=files), sealing=None)
    assert verify(edxml.read(data), trusted).status is VerificationStatus.VALID
    attacked = attack(etree.fromstring(data))
    for policy in (trusted, VerifyPolicy(legacy_sha1=True)):
        reason, verification = _outcome(attacked, policy)
        assert reason == expected, verification and verification.explanation
        assert verification is None or _gives_nothing(verification)


def test_every_attack_has_its_reason() -> None:
    """At least ten variants, each with a code of the catalogue or of the reader's."""
    table = BY_ID | WHOLE
    assert len(table) >= 20
    assert all(code in REASONS or code.startswith("EDX-") for _, code in table.values())


# -- nothing is fetched


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A web server that notes who comes, and what a reference to it would fetch."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"content")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = False

    running = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{running.server_address[1]}/x", asked
    running.shutdown()
    running.server_close()


_WATCHED: list[list[str]] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _WATCHED and event in ("socket.connect", "socket.getaddrinfo", "urllib.Request", "subprocess.Popen"):
        _WATCHED[-1].append(f"{event} {arguments}")


sys.addaudithook(_watch)


@pytest.fixture
def network() -> Iterator[list[str]]:
    """What Python code does on the network while a test runs (PEP 578)."""
    events: list[str] = []
    _WATCHED.append(events)
    yield events
    _WATCHED.remove(events)


def _signed_over(data: bytes, uri: str, content: bytes, keys: AgencyKeys, key_info: str = "") -> bytes:
    """A packet with a genuine signature over what an address holds."""
    root = etree.fromstring(data)
    digest = hashlib.sha256(content).digest()
    info = build_signed_info([NewReference(uri=uri, digest=digest, transforms=())], algorithm="rsa-sha256")
    transforms = one(info, "Transforms")
    transforms.getparent().remove(transforms)
    signature = build_signature(info, sign_signed_info(keys.signer(), info), keys.certificates[:2])
    if key_info:
        one(signature, "KeyInfo").append(etree.fromstring(key_info))
    one(root, "edXMLHeader").append(signature)
    return etree.tostring(root)


def _method(url: str) -> str:
    return f'<RetrievalMethod xmlns="{DS}" URI="{url}" Type="{DS}X509Data"/>'


EXTERNAL = ("http", "file", "path", "parent", "retrieval", "schema", "instruction", "xinclude")


@pytest.mark.parametrize("case", EXTERNAL)
def test_nothing_is_fetched(
    case: str, server: tuple[str, list[str]], network: list[str], packet_of: Any, agency: AgencyKeys, tmp_path: Path
) -> None:
    """A signature that is right about what an address holds is refused, and nobody goes there (xmlsec defaults)."""
    url, asked = server
    file = tmp_path / "content"
    file.write_bytes(b"content")
    data = packet_of(keys=None, sealing=None)
    references = {
        "http": url,
        "file": file.as_uri(),
        "path": str(file),
        "parent": "../" * 20 + str(file).lstrip("/"),
    }
    if case in references:
        data, expected = _signed_over(data, references[case], b"content", agency), "SIG-URI"
    elif case == "retrieval":
        data, expected = _signed_over(data, "", b"", agency, _method(url)), "SIG-KEYINFO"
    else:
        root = etree.fromstring(packet_of(sealing=None))
        expected = "SIG-DIGEST"
        if case == "schema":
            root.set("{http://www.w3.org/2001/XMLSchema-instance}schemaLocation", f"{NS} {url}")
        elif case == "xinclude":
            etree.SubElement(one(root, "MessageHeader"), "{http://www.w3.org/2001/XInclude}include", href=url)
        else:
            root.addprevious(etree.ProcessingInstruction("xml-stylesheet", f'type="text/xsl" href="{url}"'))
        data = etree.tostring(root.getroottree())
    before = len(network)
    reason = verify(edxml.read(data), VerifyPolicy(anchors=(agency.root,), at=datetime.now(UTC))).reason
    assert reason == expected
    assert (asked, network[before:]) == ([], [])


def test_a_doctype_is_not_even_parsed(server: tuple[str, list[str]], network: list[str], signed: bytes) -> None:
    """An external DTD or entity gets no further than the reader, which fetches nothing (Parsing)."""
    url, asked = server
    declared = f'<!DOCTYPE edXML SYSTEM "{url}" [<!ENTITY x SYSTEM "{url}">]>'.encode()
    head, _, rest = signed.partition(b"?>")
    with pytest.raises(PacketError) as refusal:
        edxml.read(head + b"?>" + declared + rest)
    assert refusal.value.code == "EDX-DOCTYPE"
    assert (asked, network) == ([], [])


def test_the_watch_sees_what_it_should(server: tuple[str, list[str]], network: list[str]) -> None:
    """The watch on the network is awake: a plain request is seen by it and by the server."""
    import urllib.request

    url, asked = server
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"content"
    assert asked == ["/x"]
    assert any(event.startswith("socket.connect") for event in network)


def test_long_namespaces_are_not_canonicalised(signed: bytes) -> None:
    """Namespaces whose repetition at each sibling would make a form many times the packet's size are refused first."""
    declared = b"".join(b' xmlns:p%d="urn:%d:%s"' % (one, one, b"x" * 240) for one in range(5))
    data = signed.replace(b"<edXML xmlns=", b"<edXML" + declared + b" xmlns=", 1)
    verification = verify(edxml.read(data))
    assert (verification.reason, verification.status.value) == ("SIG-CANONICAL", "UNVERIFIABLE")
    assert "namespaces" in verification.explanation
