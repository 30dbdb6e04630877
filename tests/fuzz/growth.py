"""How work grows with input that was made to be much work: each input, and the same twice as large.

A step that compares everything with everything shows as a factor of 4; reading twice as much is 2.
``python tests/fuzz/attacks.py`` prints all of them; ``growth.py NAME TIMES`` measures one, in a process of its own.
"""

from __future__ import annotations

import base64
import functools
import gc
import importlib.util
import io
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from edoc_connector import edxml
from edoc_connector._core import to_nfc
from edoc_connector.errors import EdocError
from edoc_connector.pdf import verify_pdf
from edoc_connector.signing import VerifyPolicy, enveloped, judge_certificate, read_certificate, seal_maker, verify
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import AgencyKeys, agency_keys, get_default_authority, make_throwaway_key

Work = Callable[[], object]
_NOW = datetime.now(UTC)
NOISE = 0.01
"""Seconds that a measurement may be off by, on a busy machine."""


@functools.cache
def _load_attacks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("attacks", Path(__file__).with_name("attacks.py"))
    if spec is None or spec.loader is None:
        raise ImportError("attacks.py is not there")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _try_read(data: bytes) -> object:
    try:
        return edxml.read(data)
    except EdocError as error:
        return error


# -- signed packets


@functools.cache
def _sign_sample() -> bytes:
    keys, document = agency_keys("Sở Nội vụ", organ_id="H29.05", kind="p256"), sample_document()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "packet.edxml"
        seal = seal_maker(document, signer=keys.signer(), at=_NOW)
        edxml.write(document, target, at=_NOW, signature=enveloped(keys.signer()), seal=seal)
        return target.read_bytes()


def _insert(before: bytes, what: bytes, count: int) -> Work:
    data = _sign_sample()
    place = data.index(before)
    data = data[:place] + what * count + data[place:]
    return lambda: verify(edxml.read(data))


def _insert_in_seal(count: int) -> Work:
    data = _sign_sample()
    start = data.rindex(b"<ContentTransferEncoded>") + len(b"<ContentTransferEncoded>")
    end = data.index(b"<", start)
    seal = base64.b64decode(data[start:end])
    data = data[:start] + base64.b64encode(seal + b"<?a?>" * count) + data[end:]
    return lambda: verify(edxml.read(data))


# -- certificates


def make_certificate(
    subject: str, issuer: str, *, key: str, issuer_key: str, authority: bool = True
) -> x509.Certificate:
    """Make a certificate with throwaway keys of those names."""
    names = [x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, name)]) for name in (subject, issuer)]
    return (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(make_throwaway_key("p256", key).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOW - timedelta(days=1))
        .not_valid_after(_NOW + timedelta(days=9))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(make_throwaway_key("p256", issuer_key), hashes.SHA256())
    )


@functools.cache
def make_ring(count: int, names: int = 1) -> AgencyKeys:
    """Make a signer under authorities of few names, each of which issued the next one: a maze for who goes by names."""
    ring = [
        make_certificate(f"X{n % names}", f"X{(n + 1) % names}", key=f"x{n}", issuer_key=f"x{(n + 1) % count}")
        for n in range(count)
    ]
    leaf = make_certificate("Sở Rối", "X0", key="leaf", issuer_key="x0", authority=False)
    return AgencyKeys(key=make_throwaway_key("p256", "leaf"), certificates=(leaf, *ring))


def _judge_ring(count: int, names: int) -> Work:
    policy = VerifyPolicy(anchors=get_default_authority().certificates[-1:])
    leaf, *others = make_ring(count, names).certificates
    return lambda: judge_certificate(leaf, others, policy=policy, at=_NOW)


def _read_name_of_marks(count: int) -> Work:
    leaf = make_certificate("a" + "\u0301\u0323" * count, "X", key="leaf", issuer_key="leaf")
    der = leaf.public_bytes(Encoding.DER)

    def read_it() -> object:
        try:
            return read_certificate(der)
        except ValueError as error:
            return error

    return read_it


def _sign_pdf(keys: AgencyKeys, reserved: int = 1 << 16) -> bytes:
    from asn1crypto import keys as asn1_keys  # type: ignore[import-untyped]
    from asn1crypto import x509 as asn1_x509
    from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign import signers
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    from edoc_connector.testing import sample_pdf

    certificates = [asn1_x509.Certificate.load(one.public_bytes(Encoding.DER)) for one in keys.certificates]
    store: Any = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    store.register_multiple(certificates[1:])
    der = keys.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    signer = signers.SimpleSigner(
        signing_cert=certificates[0], signing_key=asn1_keys.PrivateKeyInfo.load(der), cert_registry=store
    )
    writer = IncrementalPdfFileWriter(io.BytesIO(sample_pdf(["Cong van"])))
    meta = signers.PdfSignatureMetadata(field_name="Signature1")
    return bytes(signers.sign_pdf(writer, meta, signer=signer, bytes_reserved=reserved).getvalue())


def _verify_pdf_ring(count: int) -> Work:
    policy = VerifyPolicy(anchors=get_default_authority().certificates[-1:])
    pdf = _sign_pdf(make_ring(count))
    return lambda: verify_pdf(pdf, policy)


def _verify_pdf_issuer_of_marks(count: int) -> Work:
    leaf = make_certificate("Sở Rối", "a" + "\u0301\u0323" * count, key="leaf", issuer_key="x0", authority=False)
    pdf = _sign_pdf(AgencyKeys(key=make_throwaway_key("p256", "leaf"), certificates=(leaf,)), 1 << 19)
    return lambda: verify_pdf(pdf)


# -- zips and files


def _zip(data: bytes, name: str = "x") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return out.getvalue()


def attach(contents: Sequence[bytes], *, name: str = "a.dat") -> bytes:
    """Make a packet with zipped attachments, all of one name."""
    parts = [
        f"<Attachment><ContentId>cid:{number}</ContentId><AttachmentName>{name}</AttachmentName>"
        f"<ContentType>application/zip</ContentType><ContentTransferEncoded>{base64.b64encode(one).decode()}"
        "</ContentTransferEncoded></Attachment>"
        for number, one in enumerate(contents)
    ]
    return bytes(_load_attacks().make_packet(attachments="".join(parts)))


def _measure_all(data: bytes) -> Work:
    def read_all() -> None:
        for _ in edxml.read(data).content_findings():
            pass

    return read_all


def _nest_zips(kibibytes: int) -> Work:
    noise = random.Random(7)
    content = b"".join(noise.randbytes(48) + bytes(6 << 10) for _ in range(kibibytes * 16))
    return _measure_all(attach([_zip(_zip(content))], name="a.pdf"))


def _many_small_zips(count: int) -> Work:
    return _measure_all(attach([_zip(bytes(9 << 20))] * count))


def _save_one_name(count: int) -> Work:
    data = _load_attacks().make_packet(attachments="".join(_iter_small_files(count)))
    packet = edxml.read(data)

    def save() -> None:
        folder = Path(tempfile.mkdtemp())
        try:
            edxml.save_all(packet.attachments, folder)  # into an old folder, where each file has its own steps
        finally:
            shutil.rmtree(folder)

    return save


def _iter_small_files(count: int) -> Iterator[str]:
    for number in range(count):
        yield (
            f"<Attachment><ContentId>cid:{number}</ContentId><AttachmentName>a.txt</AttachmentName>"
            "<ContentTransferEncoded>QQ==</ContentTransferEncoded></Attachment>"
        )


@dataclass(frozen=True)
class Growing:
    """Work by the size of its input.

    Args:
        size: the smaller size.
        prepare: makes the work of a size.
    """

    size: int
    prepare: Callable[[int], Work]


def _marks(count: int) -> str:
    return "a" + "\u0301\u0323" * count


GROWING: dict[str, Growing] = {
    "unknown elements": Growing(
        45_000, lambda n: functools.partial(_try_read, _load_attacks().make_packet(more="<odd/>" * n))
    ),
    "a text in OrganId, 7 MiB": Growing(
        7 << 20, lambda n: functools.partial(_try_read, _load_attacks().make_packet("x" * n))
    ),
    "comments before the signature": Growing(40_000, lambda n: _insert(b"<edXML:From>", b"<!--x-->", n)),
    "comments with text between them": Growing(40_000, lambda n: _insert(b"<edXML:From>", b"<!--x--> ", n)),
    "comments inside a value": Growing(40_000, lambda n: _insert(b"V/v", b"<!--x-->", n)),
    "comments inside SignedInfo": Growing(40_000, lambda n: _insert(b"<CanonicalizationMethod", b"<!--x-->", n)),
    "instructions before the signature": Growing(40_000, lambda n: _insert(b"<edXML:From>", b"<?x y?>", n)),
    "instructions inside an attachment's text": Growing(
        40_000, lambda n: _insert(b"</ContentTransferEncoded>", b"<?x y?>", n)
    ),
    "instructions beside the root": Growing(40_000, lambda n: _insert(b"<edXML ", b"<?x y?>", n)),
    "instructions beside the seal's root": Growing(40_000, _insert_in_seal),
    "certificates of one name": Growing(5, lambda n: _judge_ring(n, 1)),
    "certificates of three names": Growing(5, lambda n: _judge_ring(n, 3)),
    "certificates of one name, in a PDF file": Growing(14, _verify_pdf_ring),
    "an issuer's name of marks, in a PDF file": Growing(10_000, _verify_pdf_issuer_of_marks),
    "a certificate's name of marks": Growing(5_000, _read_name_of_marks),
    "alternating marks, normalised": Growing(50_000, lambda n: functools.partial(to_nfc, _marks(n))),
    "alternating marks, in a file's name": Growing(50_000, lambda n: functools.partial(edxml.safe_name, _marks(n))),
    "a zip in a zip": Growing(128, _nest_zips),
    "many small zips of zeros": Growing(40, _many_small_zips),
    "files of one name, saved": Growing(5_000, _save_one_name),
}
"""Input that was made to be much work, beside `attacks.ATTACKS`."""


def list_all() -> dict[str, Growing]:
    """List the attacks on the reader, twice as large at size 2, and the works above."""
    attacks = _load_attacks().ATTACKS
    return {
        name: Growing(1, lambda n, make=make: functools.partial(_try_read, make(n)))  # type: ignore[misc]
        for name, make in attacks.items()
    } | GROWING


@dataclass(frozen=True)
class Measured:
    """The processor's seconds for work, and for twice as much."""

    once: float
    twice: float

    @property
    def factor(self) -> float:
        """The growth, less what may be noise."""
        return max(self.twice - NOISE, 0) / max(self.once, NOISE)


def measure(growing: Growing, repeats: int = 2) -> Measured:
    """Measure work and twice as much: the least of several times of each, as a busy machine only adds."""
    return Measured(*(_measure_one(growing.prepare(growing.size * times), repeats) for times in (1, 2)))


def _measure_one(work: Work, repeats: int) -> float:
    """Measure without the collector: how much of other objects it walks is not the work's doing."""
    found = []
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(repeats):
            started = _read_clock()
            work()
            found.append(_read_clock() - started)
    finally:
        if was_collecting:
            gc.enable()
    return min(found)


def _read_clock() -> float:
    """Read the processor's time of this program alone: what the system does for a file, others share."""
    if sys.platform == "win32":
        return time.process_time()
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


@dataclass(frozen=True)
class Apart:
    """Work measured in a process of its own.

    Args:
        seconds: of the processor.
        size: bytes of memory beyond what the process and the input take.
    """

    seconds: float
    size: int


def measure_apart(name: str, times: int) -> Apart:
    """Measure one of `list_all`, or twice as much of it, in a new process. Linux only: the peak is read from /proc."""
    command = [sys.executable, __file__, name, str(times)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if ran.returncode:
        raise RuntimeError(f"{name}: {ran.stderr.strip().splitlines()[-1]}")
    seconds, size = ran.stdout.split()
    return Apart(float(seconds), int(size))


def _read_status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(key))


def main(name: str, times: str) -> None:
    """Measure one work here, after a first time that loads modules, and print its seconds and its bytes."""
    growing = list_all()[name]
    growing.prepare(max(growing.size // 50, 1))()
    work = growing.prepare(growing.size * int(times))
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before = _read_status("VmRSS")
    seconds = _measure_one(work, 3)
    print(seconds, max(_read_status("VmHWM") - before, 0))


if __name__ == "__main__":
    main(*sys.argv[1:])
