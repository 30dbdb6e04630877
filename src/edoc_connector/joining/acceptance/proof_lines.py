"""Lines F1 to G2: signatures in PDF files, the seal, registers and evidence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from ..._core import Text, write_private
from ...connector import RegisterDirection, check_pack
from ...edxml import Attachment
from ...errors import ConfigError
from .fault_lines import send_back
from .outcomes import NotMet, NotPossible
from .scene import Scene, build_pdf, digest

_FILES = ("chu-ky-hop-le.pdf", "chu-ky-sai.pdf", "chu-ky-het-han.pdf", "khong-co-chu-ky.pdf")
_EXPECTED = dict(zip(_FILES, ("VALID", "INVALID", "EXPIRED", "UNSIGNED"), strict=True))


def see_pdf_signatures(scene: Scene) -> None:
    """F1: a signature in a PDF that is valid, wrong, expired or missing is shown as that."""
    from ...pdf import verify_pdf

    try:
        files = _make_pdfs() if scene.partner.is_own else ()
    except ConfigError as error:
        raise NotPossible(Text(error.message, error.vi)) from error
    document = scene.build(subject="Kiểm thử kết nối [F1]", attachments=files) if files else scene.build()
    document_id = send_back(scene, document, "[F1]")
    _await_ours(scene, document_id)
    found = {}
    for attachment in scene.ours.receipt(document_id).attachments:
        result = verify_pdf(attachment)
        remarks = {one.code for signature in result.signatures for one in signature.findings}
        is_expired = "SIG-EXPIRED" in {result.reason, *remarks}
        found[attachment.name] = "EXPIRED" if is_expired else result.status.name
        scene.note(f"{attachment.name}: {found[attachment.name]} {result.reason}")
    statuses = set(found.values())
    if scene.partner.is_own and found != _EXPECTED:
        raise NotMet(Text(f"shown as {found}", f"hiển thị là {found}"))
    if not scene.partner.is_own and not statuses >= set(_EXPECTED.values()):
        raise NotMet(
            Text(f"the files sent show {found}; a valid, a wrong, an expired and an unsigned one are needed",
                 f"các tệp đã gửi cho kết quả {found}; cần tệp hợp lệ, sai, hết hạn và không ký")
        )  # fmt: skip


def _make_pdfs() -> tuple[Attachment, ...]:
    """Make four files, signed by throwaway keys."""
    from ...pdf import sign_pdf
    from ...testing import authority

    now = datetime.now(UTC)
    issuer = authority("Kiểm thử kết nối")
    good = issuer.agency("Khóa kiểm thử", kind="p256").signer()
    begins, ends = now - timedelta(days=400), now - timedelta(days=30)
    then = now - timedelta(days=40)
    old = issuer.agency("Khóa hết hạn", kind="p256", not_before=begins, not_after=ends).signer(clock=lambda: then)
    with TemporaryDirectory() as folder:
        signed, expired = Path(folder) / "signed.pdf", Path(folder) / "expired.pdf"
        sign_pdf(build_pdf("F1"), signed, signer=good, stamp=None)
        sign_pdf(build_pdf("F1"), expired, signer=old, stamp=None, at=now)
        valid = signed.read_bytes()
        contents = (valid, valid.replace(b"KIEM THU", b"SUA DOI.", 1), expired.read_bytes(), build_pdf("F1"))
        return tuple(Attachment.from_bytes(one, name=name) for one, name in zip(contents, _FILES, strict=True))


def see_seal(scene: Scene) -> None:
    """F2: the seal, or the packet's signature, survives the hub."""
    document_id = send_back(scene, scene.build(subject="Kiểm thử kết nối [F2]"), "[F2]")
    if scene.partner.is_own and scene.partner.connector.context.get_signer() is None:
        raise NotPossible(Text("no key signs: configure [signing] key", "chưa có khóa ký: hãy cấu hình [signing] key"))
    arrival = _await_ours(scene, document_id)
    scene.note(f"{arrival['verification']} {arrival['method']} {arrival['reason']}; {arrival['signer']}")
    if arrival["verification"] != "VALID":
        raise NotMet(
            Text(f"the packet's signature came as {arrival['verification']} ({arrival['reason']})",
                 f"chữ ký gói tin đến nơi là {arrival['verification']} ({arrival['reason']})")
        )  # fmt: skip


def _await_ours(scene: Scene, document_id: str) -> dict[str, str]:
    key = f"ours {document_id}"
    missing = Text(f"{document_id} did not come to us", f"chưa nhận được {document_id}")

    def step() -> None:
        if scene.partner.is_own:
            scene.partner.connector.flush()
        scene.receive()

    scene.require(lambda: key in scene.run.arrivals, step, missing)
    return dict(scene.run.arrivals[key][0])


_REGISTERS = {"so-van-ban-di": RegisterDirection.OUTGOING, "so-van-ban-den": RegisterDirection.INCOMING}


def write_registers(scene: Scene) -> None:
    """G1: the registers of outgoing and incoming documents since the run began."""
    since = scene.run.begun_at - timedelta(minutes=1)
    registers = {name: scene.ours.register(direction, since=since) for name, direction in _REGISTERS.items()}
    for name, register in registers.items():
        _write_register(scene, f"{name}.csv", register.format_csv(), rows=len(register))
    if not len(registers["so-van-ban-di"]):
        raise NotMet(Text("nothing was sent in this run yet", "lần kiểm thử này chưa gửi văn bản nào"))
    for name, register in registers.items():
        try:
            data = register.format_xlsx()
        except ConfigError as error:
            raise NotPossible(
                Text(f"the registers were written as CSV: {error.message}", f"đã ghi sổ dạng CSV: {error.vi}")
            ) from None
        _write_register(scene, f"{name}.xlsx", data, rows=len(register))


def _write_register(scene: Scene, name: str, data: bytes, *, rows: int) -> None:
    write_private(scene.run.folder / name, data)
    scene.note(f"{name}: {rows} dòng, SHA-256 {digest(data)}")


def pack_evidence(scene: Scene) -> None:
    """G2: the evidence of one document is verified without the store."""
    sent = [one for line in ("B1", "C2", "D1") for one in scene.run.get_line(line).memory]
    document_id = next((one for one in sent if "." in one or "," in one), None)
    if document_id is None:
        raise NotMet(Text("run B1 first: there is no document to pack", "hãy thực hiện B1 trước: chưa có văn bản"))
    path = scene.run.folder / "bang-chung.zip"
    path.unlink(missing_ok=True)
    scene.ours.evidence(document_id, out=path)
    checked = check_pack(path, anchors=scene.ours.settings.policy().anchors)
    if checked.problems:
        raise NotMet(Text(checked.problems[0].text, checked.problems[0].text_vi))
    scene.note(f"{path.name}: {checked.entries} bản ghi, SHA-256 {digest(path.read_bytes())}")
