"""A large file goes through the gateway's process without being held in its memory."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from edoc_connector.connector import Connector
from edoc_connector.edxml import Attachment, Organization
from edoc_connector.gateway import add_key
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker import Worker

if TYPE_CHECKING:
    from tests.conftest import StartProgram
    from tests.gateway.conftest import SectionsOf, SettingsOf

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")

SIZE = 50_000_000
ROOM = 24 * 1024
"""KiB by which the process may grow, half of the file: buffers, and what the allocator keeps."""

PATIENT = {"read": 120.0, "total": 240.0}  # seconds for a hub that takes apart 70 MB
OURS, THEIRS = "H29.05", "G22"
PROGRAM = """
import json, sys
from pathlib import Path
from edoc_connector.config import Settings
from edoc_connector.gateway import Gateway

folder, values = sys.argv[1:]
Gateway([Settings.of(json.loads(values), folder=Path(folder))], port=0).serve(lambda url: print(url, flush=True))
"""


class Server:
    """A gateway that is a process of its own, and a client of it."""

    def __init__(self, process: subprocess.Popen[str], token: str) -> None:
        assert process.stdout is not None
        self._pid = process.pid
        headers = {"Authorization": f"Bearer {token}"}
        self.client = httpx.Client(base_url=process.stdout.readline().strip(), headers=headers, timeout=120)
        self.base = f"/v1/agencies/{OURS}"

    @contextmanager
    def growth_limited(self) -> Iterator[None]:
        """Hold that its greatest memory does not grow by more than the room."""
        before = self.read_peak()
        yield
        grown = self.read_peak() - before
        assert grown < ROOM, f"grew by {grown} KiB"

    def read_peak(self) -> int:
        """Read the most memory that it had so far, in KiB."""
        return int(Path(f"/proc/{self._pid}/status").read_text().partition("VmHWM:")[2].split()[0])

    def upload(self, number: str, file: Path) -> dict[str, Any]:
        """Send a document with a file as a form."""
        with file.open("rb") as stream:
            parts: Any = [("document", (None, json.dumps(_compose(number)), "application/json"))]
            parts.append(("files", (file.name, stream, "application/octet-stream")))
            answer = self.client.post(self.base + "/documents/form", files=parts)
        assert answer.status_code == 201, answer.text
        sent: dict[str, Any] = answer.json()
        return sent

    def download(self, receipt: dict[str, Any]) -> str:
        """Download the one file of a receipt; gives its hash."""
        found = hashlib.sha256()
        (file,) = self.client.get(f"{self.base}/receipts/{receipt['id']}").json()["attachments"]
        with self.client.stream("GET", file["href"]) as answer:
            assert answer.status_code == 200
            for chunk in answer.iter_bytes(1 << 16):
                found.update(chunk)
        return found.hexdigest()


def _compose(number: str) -> dict[str, Any]:
    return {
        "recipients": [{"id": THEIRS, "name": "Văn phòng Chính phủ"}],
        "number": number, "notation": "SNV-VP", "issued_on": "2026-11-20", "place": "Hà Nội",
        "type_name": "Công văn", "subject": "V/v gửi tệp lớn",
        "signer": {"full_name": "Nguyễn Văn A", "position": "Giám đốc"},
    }  # fmt: skip


@pytest.fixture
def server(
    sections_of: SectionsOf, settings: SettingsOf, mock_hub: RunningHub, tmp_path: Path, start_program: StartProgram
) -> Iterator[Server]:
    """A gateway without a worker in a process of its own."""
    values = sections_of(OURS, gateway={"worker": False})
    with Connector(settings(OURS)) as connector:
        token = add_key([(OURS, connector.context.store)], name="DMS").token
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / OURS), json.dumps(values, default=str)]
    with start_program(command, stdout=subprocess.PIPE) as process:
        one = Server(process, token)
        with one.client:
            yield one
        process.terminate()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A small file and a large one that cannot be compressed."""
    small, large = tmp_path / "nho.bin", tmp_path / "lon.bin"
    block = hashlib.shake_256(b"large").digest(1_000_000)
    small.write_bytes(block[:10_000])
    with large.open("wb") as stream:
        for number in range(SIZE // len(block)):
            stream.write(number.to_bytes(4, "big") + block[4:])
    return small, large


def test_an_upload_is_not_held_in_memory(server: Server, files: tuple[Path, Path]) -> None:
    """A form with 50 MB is stored, signed and answered, and the process grows by less than half of it."""
    small, large = files
    server.upload("1", small)
    with server.growth_limited():
        sent = server.upload("2", large)
    assert sent["state"] == "ready"


def test_a_download_is_not_held_in_memory(
    server: Server, settings: SettingsOf, mock_hub: RunningHub, files: tuple[Path, Path]
) -> None:
    """A file of 50 MB that came in is read from the packet while it is sent."""
    with Connector(settings(THEIRS, http=PATIENT)) as partner:
        for number, file in enumerate(files, 1):
            partner.send(_letter(str(number), file))
    with Worker([settings(OURS, http=PATIENT)]) as worker:
        worker.run_once()
    page = server.client.get(server.base + "/receipts?state=waiting").json()["items"]
    small, large = sorted(page, key=lambda receipt: int(receipt["code"].partition("/")[0]))
    server.download(small)
    with server.growth_limited():
        found = server.download(large)
    with files[1].open("rb") as stream:
        assert found == hashlib.file_digest(stream, "sha256").hexdigest()


def _letter(number: str, file: Path) -> Any:
    sender, recipient = Organization(id=THEIRS, name="Văn phòng"), Organization(id=OURS, name="Sở Nội vụ")
    attachments = (Attachment.from_path(file),)
    return sample_document(
        sender=sender, recipients=(recipient,), number=number, notation="VPCP", attachments=attachments
    )
