"""One signature, four verifiers: ours, xmlsec, signxml and the JDK's. Where they differ, the table says how, and why.

Who is right where they differ:

- signxml finds signatures broken that are sound, where SignedInfo is canonicalised inclusively and stands in a default
  namespace: lxml's canonical form of a part of a tree has a false ``xmlns=""`` there. xmlsec, the JDK and we agree, and
  the vectors are published as valid. It does not do XPath either.
- xmlsec, signxml and the JDK accept what proves too little for a packet: a part signed by its Id, an Object, comments
  inside values, a certificate whose key usage does not allow signing. The signatures are sound; whether they cover what
  is read, and who may sign, is not what they were asked. We refuse.
- SHA-1, MD5, curves and short keys: each library draws the line elsewhere. Ours is where the policy has it.
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from signxml import DigestAlgorithm, SignatureConfiguration, SignatureMethod, XMLVerifier
from signxml.exceptions import InvalidInput, InvalidSignature

from edoc_connector import edxml
from edoc_connector.errors import PacketError
from edoc_connector.signing import (
    LocalSigner,
    SignatureAlgorithm,
    VerificationStatus,
    VerifyPolicy,
    enveloped,
    seal_maker,
    verify,
)
from edoc_connector.signing.reasons import Refused
from edoc_connector.signing.xmlsig.xmldsig import verify_signature_core
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import AgencyKeys, agency_keys, authority, make_throwaway_key

NS, DS = edxml.NS, edxml.DS
_Q, _N = f"{{{DS}}}", f"{{{NS}}}"
_C = xmlsec.constants
java = pytest.mark.skipif(shutil.which("java") is None, reason="there is no JDK here")


@dataclass(frozen=True)
class Case:
    """One signed document and the key to check it with."""

    name: str
    file: Path
    key: Path

    def public_key(self) -> Any:
        data = self.key.read_bytes()
        return x509.load_pem_x509_certificate(data).public_key() if b"CERTIF" in data else load_pem_public_key(data)


def one(root: etree._Element, name: str) -> etree._Element:
    """The first element of a local name."""
    return next(root.iter(f"{{*}}{name}"))


# -- the other three


def xmlsec_says(case: Case) -> str:
    """Ask xmlsec for its verdict, with everything enabled as it is out of the box."""
    root = etree.parse(case.file, etree.XMLParser(huge_tree=True)).getroot()
    context = xmlsec.SignatureContext()
    pem = case.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    context.key = xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatPem)
    for element in root.iter("*"):
        for name in ("Id", "ID", "id"):
            if element.get(name):
                context.register_id(element, name)
    try:
        context.verify(one(root, "Signature"))
    except xmlsec.Error:
        return "invalid"
    return "valid"


def signxml_says(case: Case) -> str:
    """Ask signxml for its verdict, given a certificate of the key, with every algorithm that it knows."""
    config = SignatureConfiguration(
        signature_methods=frozenset(SignatureMethod),
        digest_algorithms=frozenset(DigestAlgorithm),
        ignore_ambiguous_key_info=True,
        expect_references=True,
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of certificates in the vectors, long out of date
            certificate = _certificate_of(case.public_key())
            XMLVerifier().verify(case.file.read_bytes(), x509_cert=certificate, expect_config=config)
    except InvalidSignature:
        return "invalid"
    except (InvalidInput, ValueError):
        return "refused"
    return "valid"


def _certificate_of(key: Any) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pinned")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key)
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(make_throwaway_key("p256", "pinning"), hashes.SHA256())
    )


def jdk_says(cases: list[Case]) -> dict[str, str]:
    """Ask the JDK for its verdicts, by the cases' names; all in one run, as starting it takes longest."""
    lines = "".join(f"{case.file}\t{case.key}\n" for case in cases)
    program = Path(__file__).with_name("Verify.java")
    done = subprocess.run(["java", str(program)], input=lines, capture_output=True, text=True, check=True)
    said = dict(line.split("\t") for line in done.stdout.splitlines())
    return {case.name: said[str(case.file)].partition(":")[0].replace("error", "refused") for case in cases}


# -- vectors: the public ones, and a few of our own


def _vector_cases(folder: Path) -> list[Case]:
    vectors = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return [Case(vector["file"], folder / vector["file"], folder / vector["key"]) for vector in vectors]


def _core_says(case: Case) -> str:
    try:
        verify_signature_core(one(edxml.parse_xml(case.file.read_bytes()), "Signature"), case.public_key())
    except Refused:
        return "invalid"
    return "valid"


@java
def test_all_verifiers_agree_on_the_vectors(collection: Path) -> None:
    """Ours, xmlsec's and the JDK's verdicts on each vector are the published one; signxml's where it can read it."""
    cases = _vector_cases(collection / "vectors")
    jdk = jdk_says(cases)
    differing = {}
    for case in cases:
        published = "valid" if case.name.startswith("verify/") else "invalid"
        assert (_core_says(case), xmlsec_says(case), jdk[case.name]) == (published,) * 3, case.name
        if (said := signxml_says(case)) != published:
            differing[case.name] = said
    inclusive = {case.name: "invalid" for case in cases if case.name.endswith("_c14n.xml") and "exc-" not in case.name}
    assert differing == inclusive
    assert len(inclusive) == {"data": 2, "shared": 12}[collection.name]


# -- packets

Change = Callable[[etree._Element], object]


def _comment(root: etree._Element) -> None:
    subject = one(root, "Subject")
    whole, subject.text = subject.text or "", (subject.text or "")[:4]
    cut = etree.Comment("x")
    cut.tail = whole[4:]
    subject.insert(0, cut)


def _set_id(root: etree._Element) -> None:
    one(root, "MessageHeader").set("Id", "signed")


def _object(signature: etree._Element) -> None:
    etree.SubElement(signature, _Q + "Object").text = "x"


def _xpath(signature: etree._Element) -> None:
    uri = "http://www.w3.org/TR/1999/REC-xpath-19991116"
    transform = one(signature, "Transform")
    transform.set("Algorithm", uri)
    etree.SubElement(transform, _Q + "XPath").text = "not(ancestor-or-self::*[local-name()='Signature'])"


def _write(name: str, text: Callable[[str], str]) -> Change:
    def change(root: etree._Element) -> None:
        element = one(root, name)
        element.text = text(element.text or "")

    return change


def _keys(kind: Any = "p256") -> AgencyKeys:
    return agency_keys("Sở khác", organ_id="H29.05", kind=kind)


_ENVELOPED, _INCLUSIVE = _C.TransformEnveloped, _C.TransformInclC14N
_INCL_ALL = {"c14n": _INCLUSIVE, "transforms": (_ENVELOPED, _INCLUSIVE)}

PACKETS: dict[str, tuple[dict[str, Any], Change | None, tuple[str, str, str, str]]] = {
    # name: how xmlsec signs it, what is changed afterwards, what (we, xmlsec, signxml, the JDK) say
    "our shape": ({}, None, ("VALID", "valid", "valid", "valid")),
    "enveloped alone": ({"transforms": (_ENVELOPED,)}, None, ("VALID", "valid", "valid", "valid")),
    "inclusive": (_INCL_ALL, None, ("VALID", "valid", "invalid", "valid")),
    "RSA-SHA384": ({"method": _C.TransformRsaSha384}, None, ("VALID", "valid", "valid", "valid")),
    "SHA-512": (
        {"method": _C.TransformRsaSha512, "digest": _C.TransformSha512},
        None,
        ("VALID", "valid", "valid", "valid"),
    ),
    "P-256": ({"keys": _keys(), "method": _C.TransformEcdsaSha256}, None, ("VALID", "valid", "valid", "valid")),
    "P-384": ({"keys": _keys("p384"), "method": _C.TransformEcdsaSha384}, None, ("VALID", "valid", "valid", "valid")),
    "P-521": ({"keys": _keys("p521"), "method": _C.TransformEcdsaSha512}, None, ("SIG-KEY", "valid", "valid", "valid")),
    "subject changed": ({}, _write("Subject", lambda _: "V/v khác"), ("SIG-DIGEST", "invalid", "invalid", "invalid")),
    "space added": ({}, _write("Subject", lambda t: t + " "), ("SIG-DIGEST", "invalid", "invalid", "invalid")),
    "file changed": (
        {},
        _write("ContentTransferEncoded", lambda t: t[::-1]),
        ("SIG-DIGEST", "invalid", "invalid", "invalid"),
    ),
    "value changed": (
        {},
        _write("SignatureValue", lambda t: "AAAA" + t[4:]),
        ("SIG-SIGNATURE", "invalid", "invalid", "invalid"),
    ),
    "comment in a value": ({"before": _comment}, None, ("SIG-COMMENT", "valid", "valid", "valid")),
    "signed with a comment, comment taken out": (
        {"before": _comment},
        lambda root: etree.strip_tags(one(root, "Subject"), etree.Comment),
        ("VALID", "valid", "valid", "valid"),
    ),
    "a part by its Id": (
        {"uri": "#signed", "transforms": (_C.TransformExclC14N,), "before": _set_id},
        None,
        ("SIG-URI", "valid", "valid", "valid"),
    ),
    "Object": ({"template": _object}, None, ("SIG-OBJECT", "valid", "valid", "valid")),
    "XPath": ({"template": _xpath}, None, ("SIG-TRANSFORMS", "valid", "invalid", "valid")),
    "SHA-1": ({"method": _C.TransformRsaSha1}, None, ("SIG-SHA1", "valid", "valid", "refused")),
    "SHA-1 digest": ({"digest": _C.TransformSha1}, None, ("SIG-SHA1", "valid", "valid", "refused")),
    "MD5": ({"method": _C.TransformRsaMd5}, None, ("SIG-MD5", "valid", "refused", "refused")),
    "RSA-1024": (
        {"keys": authority("Weak CA").agency("Sở", kind="rsa1024")},
        None,
        ("SIG-KEY", "valid", "valid", "valid"),
    ),
    "not for signing": (
        {"keys": authority("Strict CA").agency("Sở", signing=False)},
        None,
        ("SIG-KEY-USAGE", "valid", "valid", "valid"),
    ),
}


def _outcome(data: bytes) -> str:
    verification = verify(edxml.read(data))
    return "VALID" if verification.status is VerificationStatus.VALID else verification.reason


@java
def test_verifiers_on_packets(xmlsec_signed: Any, agency: AgencyKeys, tmp_path: Path) -> None:
    """Each verifier says of each packet what the table has; whatever only we refuse is sound, and proves too little."""
    cases, ours = [], {}
    for number, (name, (options, change, _)) in enumerate(PACKETS.items()):
        data = xmlsec_signed(**options)
        if change is not None:
            root = etree.fromstring(data)
            change(root)
            data = etree.tostring(root)
        case = Case(name, tmp_path / f"{number}.xml", tmp_path / f"{number}.pem")
        case.file.write_bytes(data)
        case.key.write_bytes(options.get("keys", agency).certificate.public_bytes(Encoding.PEM))
        cases.append(case)
        ours[name] = _outcome(data)
    jdk = jdk_says(cases)
    said = {case.name: (ours[case.name], xmlsec_says(case), signxml_says(case), jdk[case.name]) for case in cases}
    assert said == {name: expected for name, (_, _, expected) in PACKETS.items()}


def _by_ourselves(keys: AgencyKeys, algorithm: str, folder: Path, document: edxml.Document | None = None) -> Case:
    signer = LocalSigner(key=keys.key, certificates=keys.certificates[:-1], algorithm=SignatureAlgorithm(algorithm))
    case = Case(algorithm, folder / "own.xml", folder / "own.pem")
    document = document or sample_document()
    edxml.write(document, case.file, at=datetime.now(UTC), signature=enveloped(signer))
    case.key.write_bytes(keys.certificate.public_bytes(Encoding.PEM))
    return case


OWN = [
    ("rsa", "rsa-sha256"),
    ("rsa", "rsa-sha384"),
    ("rsa", "rsa-sha512"),
    ("rsa", "rsa-pss-sha256"),
    ("rsa", "rsa-pss-sha384"),
    ("rsa", "rsa-pss-sha512"),
    ("p256", "ecdsa-sha256"),
    ("p384", "ecdsa-sha384"),
]


@java
def test_everybody_accepts_what_we_sign(tmp_path: Path) -> None:
    """A packet signed here, with every algorithm there is a signer for, verifies with all four."""
    cases = []
    for number, (kind, algorithm) in enumerate(OWN):
        folder = tmp_path / str(number)
        folder.mkdir()
        cases.append(_by_ourselves(_keys(kind), algorithm, folder))
    jdk = jdk_says(cases)
    for case in cases:
        said = (_outcome(case.file.read_bytes()), xmlsec_says(case), signxml_says(case), jdk[case.name])
        assert said == ("VALID", "valid", "valid", "valid"), case.name


# -- our digest code and xmlsec, on packets that nobody thought of

_CHARACTERS = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn"))
_TEXT = st.text(_CHARACTERS, min_size=1, max_size=60).map(str.strip).filter(bool)
_ODD = st.one_of(
    _TEXT, st.sampled_from(["<&>\"'", "a\tb", "Nguyễn", "Nguye\u0302\u0303n", "\u200b x", "]]>", "\U0001f600"])
)
_FILES = st.lists(st.tuples(st.binary(min_size=1, max_size=200), _ODD), max_size=3)


@st.composite
def documents(draw: st.DrawFn) -> edxml.Document:
    """Documents with odd texts and files."""
    files = [
        edxml.Attachment.from_bytes(data, name=f"{number}.pdf", description=description)
        for number, (data, description) in enumerate(draw(_FILES))
    ]
    optional = {
        "content": _ODD,
        "due_date": st.dates(date(2026, 1, 1), date(2099, 12, 31)),
        "to_places": st.tuples(_ODD),
    }
    given_ = {name: draw(values) for name, values in optional.items() if draw(st.booleans())}
    return sample_document(subject=draw(_ODD), attachments=tuple(files), **given_)


def _written(document: edxml.Document, keys: AgencyKeys, *, sealed: bool) -> bytes:
    at = datetime.now(UTC)
    signer = keys.signer()
    seal = seal_maker(document, signer=signer, at=at) if sealed else None
    with TemporaryDirectory() as folder:
        path = Path(folder, "x.edxml")
        edxml.write(document, path, at=at, signature=enveloped(signer), seal=seal)
        return path.read_bytes()


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(document=documents(), sealed=st.booleans())
def test_our_digest_and_xmlsecs_agree(document: edxml.Document, sealed: bool) -> None:
    """Whatever a document says, the streaming digest is the one that xmlsec computes, and signature and seal verify."""
    keys = _keys()
    data = _written(document, keys, sealed=sealed)
    verification = verify(edxml.read(data), VerifyPolicy(anchors=(keys.root,)))
    assert (verification.reason, verification.findings) == ("SIG-OK", ())
    root = etree.fromstring(data, etree.XMLParser(huge_tree=True))
    context = xmlsec.SignatureContext()
    pem = keys.certificate.public_bytes(Encoding.PEM)
    context.key = xmlsec.Key.from_memory(pem, _C.KeyDataFormatCertPem)
    context.verify(one(root, "Signature"))


@functools.cache
def _sound_packet() -> bytes:
    return _written(sample_document(), _keys(), sealed=False)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_changed_packet_makes_them_disagree(data: st.DataObject) -> None:
    """Bytes of a signed packet are replaced: both verifiers say the same, and VALID only of what was signed."""
    packet = _sound_packet()
    start = data.draw(st.integers(0, len(packet) - 1))
    length = data.draw(st.integers(0, 12))
    pieces = [b"", b" ", b"x", b"&#32;", b"<!-- -->", b"<?x?>", b"<x/>", b"\r\n", b"\t", b'" a="', b"<![CDATA[x]]>"]
    piece = data.draw(st.one_of(st.sampled_from(pieces), st.binary(max_size=4)))
    changed = packet[:start] + piece + packet[start + length :]
    try:
        read = edxml.read(changed)
    except PacketError:
        return
    verification = verify(read)
    assert verification.reason != "SIG-DISAGREE"
    if verification.status is VerificationStatus.VALID:
        assert verification.message == edxml.read(packet).message
