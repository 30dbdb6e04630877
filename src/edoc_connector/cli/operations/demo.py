"""The command demo: two agencies, a hub in a process of its own, a document there and its status back."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..._core import create_private, make_private_folder, write_private
from ...errors import EdocError
from ..exchange import describe_delivery, print_timeline
from ..options import JsonFlag
from ..output import create_console, print_json, say
from ..packets import describe_verification, save_attachments
from .extras import require_mockhub

if TYPE_CHECKING:
    from ...connector import Connector, Delivery
    from ...edxml import Attachment, Document


def demo(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Files to send; without any, a PDF is made. / Tệp cần gửi."),
    ] = None,
    folder: Annotated[
        Path, typer.Option(metavar="DIR", help="Where everything is put. / Thư mục chứa mọi thứ.")
    ] = Path("edoc-demo"),
    as_json: JsonFlag = False,
) -> None:
    """Watch a document travel to another agency and its status come back. / Xem một văn bản đi và trạng thái quay về.

    Makes keys and two agencies, starts a mock hub, sends, receives, verifies, saves and accepts. Exit code 0 only if
    all of it happened. / Tạo khóa và hai đơn vị, chạy trục giả lập, gửi, nhận, kiểm tra chữ ký, lưu và tiếp nhận. Mã
    kết thúc 0 chỉ khi mọi việc đều xong.
    """
    require_mockhub()
    _run_demo(files or [], folder, as_json=as_json)


@dataclass(frozen=True, slots=True)
class Party:
    """One of the two agencies.

    Args:
        id: the code of the agency.
        name: the name of the agency.
        folder: the folder of the agency's configuration, keys, store and received files.
    """

    id: str
    name: str
    folder: Path

    @property
    def configuration(self) -> Path:
        """The agency's edoc.toml."""
        return self.folder / "edoc.toml"


class DemoFailed(EdocError):
    """A step of the demonstration had another result than it must have."""


def _run_demo(files: list[Path], folder: Path, *, as_json: bool) -> None:
    """Run the demonstration in a new folder below `folder`."""
    from ...config import Settings
    from ...connector import Connector
    from ...edxml import VIETNAM

    place = folder.absolute() / datetime.now(VIETNAM).strftime("%Y%m%d-%H%M%S-%f")
    sender = Party("H29.05", "Sở Nội vụ", place / "sender-H29.05")
    receiver = Party("G22", "Văn phòng Chính phủ", place / "receiver-G22")
    for party in (sender, receiver):
        make_private_folder(party.folder, exist_ok=False)
    hub_secrets = {party.id: secrets.token_urlsafe(24) for party in (sender, receiver)}
    with _run_hub(place / "hub", (sender, receiver), hub_secrets) as url:
        _configure((sender, receiver), url, hub_secrets)
        document = _build_document(sender, receiver, _load_attachments(files, sender.folder))
        our_settings, their_settings = (Settings.load(party.configuration, env="") for party in (sender, receiver))
        with Connector(our_settings) as ours, Connector(their_settings) as theirs:
            ours.send(document)
            received = _receive(theirs, document, receiver)
            delivery = _receive_statuses(ours, document, receiver)
    _print_report(delivery, received, place, as_json=as_json)


def _load_attachments(files: list[Path], folder: Path) -> tuple[Attachment, ...]:
    from ...edxml import Attachment
    from ...testing import sample_pdf

    if not files:
        sample_file = folder / "cong-van-7816.pdf"
        write_private(sample_file, sample_pdf(["SO NOI VU", "CONG VAN 7816/SNV-VP", "V/v ket noi, lien thong van ban"]))
        files = [sample_file]
    return tuple(Attachment.from_path(file) for file in files)


def _build_document(sender: Party, receiver: Party, attachments: tuple[Attachment, ...]) -> Document:
    from ...edxml import Organization
    from ...testing import sample_document

    return sample_document(
        sender=Organization(id=sender.id, name=sender.name),
        recipients=(Organization(id=receiver.id, name=receiver.name),),
        attachments=attachments,
    )


@contextmanager
def _run_hub(data: Path, parties: tuple[Party, Party], hub_secrets: dict[str, str]) -> Iterator[str]:
    """Run the mock hub in a process of its own; its secrets are in the environment, which other users cannot read."""
    variables = {party.id: f"EDOC_DEMO_SECRET_{number}" for number, party in enumerate(parties)}
    command = [sys.executable, "-m", "edoc_connector", "mockhub", "--port", "0", "--data", str(data)]
    for party in parties:
        command += ["--agency", f"{party.id}:env:{variables[party.id]}:{party.name}"]
    environment = {
        **os.environ,
        **{variables[code]: secret for code, secret in hub_secrets.items()},
        "PYTHONIOENCODING": "utf-8",
        "PYTHONUNBUFFERED": "1",
    }
    log = create_private(data.parent / "hub.log")
    with log, subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, encoding="utf-8") as hub:  # noqa: S603 - our own command
        try:
            yield _read_url(hub, data.parent / "hub.log")
        finally:
            hub.terminate()


def _read_url(hub: subprocess.Popen[str], log: Path) -> str:
    assert hub.stdout is not None  # noqa: S101 - it was asked for
    line = hub.stdout.readline()  # ends when the hub is ready or has stopped
    words = line.split()
    url = next((word for word in words if word.startswith("http://")), "")
    if not url:
        raise DemoFailed(f"the mock hub did not start; see {log}", vi=f"trục giả lập không khởi động được; xem {log}")
    return url


def _configure(parties: tuple[Party, Party], url: str, hub_secrets: dict[str, str]) -> None:
    from ...testing import agency_keys

    for party in parties:
        keys = agency_keys(party.name, organ_id=party.id)
        password = secrets.token_urlsafe(24)
        keys.write_p12(party.folder / "key.p12", password=password)
        keys.write_root(party.folder / "ca.pem")
        write_private(party.folder / "key.password", password)
        write_private(party.folder / "hub.secret", hub_secrets[party.id])
        write_private(party.configuration, _format_toml(party, url))


def _format_toml(party: Party, url: str) -> str:
    text = json.dumps  # a JSON string is a TOML basic string
    return f"""\
[agency]
id = {text(party.id)}
name = {text(party.name, ensure_ascii=False)}

[hub]
dialect = "vxp"
endpoint = {text(url)}
system_id = {text(party.id)}
secret = "file:hub.secret"

[signing]
key = "p12:key.p12"
secret = "file:key.password"

[receive]
policy = "trusted"
trust = ["ca.pem"]
"""


def _receive(connector: Connector, document: Document, receiver: Party) -> dict[str, Any]:
    """Receive, check, save and accept the document.

    Raises:
        DemoFailed: the document did not arrive as it was sent.
    """
    for receipt in connector.receive():
        with receipt:
            saved = save_attachments(receipt.attachments, receiver.folder / "received")
        receipt.accept()
        if receipt.document.id == document.id:
            same = [a.sha256 for a in receipt.attachments] == [a.sha256 for a in document.attachments]
            _require(same and receipt.verification.status.name == "VALID", "the document did not arrive as it was sent")
            return {
                "document_id": document.id,
                "subject": receipt.document.subject,
                "signature": describe_verification(receipt.verification),
                "saved": [str(path) for path in saved],
            }
    raise DemoFailed("the document did not arrive", vi="văn bản không đến nơi")


def _receive_statuses(connector: Connector, document: Document, receiver: Party) -> Delivery:
    for _ in connector.receive():
        raise DemoFailed("a document came that nobody sent", vi="có văn bản lạ gửi đến")
    delivery = connector.delivery(document.id)
    codes = {recipient.organ_id: recipient.status for recipient in delivery.recipients}
    _require(codes == {receiver.id: "03"}, f"the status did not come back: {codes}")
    return delivery


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise DemoFailed(what, vi=f"bước trình diễn không đạt: {what}")


def _print_report(delivery: Delivery, received: dict[str, Any], place: Path, *, as_json: bool) -> None:
    if as_json:
        print_json({"delivery": describe_delivery(delivery), "received": received, "folder": str(place)})
        return
    print_timeline(delivery)
    signature = received["signature"]
    say(
        f"verified: {signature['status']} by its {signature['method']}, signed by {signature['signer']}",
        f"đã kiểm tra: {signature['explanation_vi']}",
    )
    for path in received["saved"]:
        say(f"saved: {path}", f"đã lưu: {path}")
    create_console().print()
    say(f"everything lies in {place}", f"mọi thứ nằm trong {place}")
