"""A client of the wire made for these tests alone, and packets for it to send."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from xml.sax.saxutils import escape

import httpx
import pytest

from edoc_connector.testing.hub import RunningHub

VIETNAM = timezone(timedelta(hours=7))
NS = "http://www.mic.gov.vn/TBT/QCVN_102_2016"


def stamp(at: datetime) -> str:
    at = at.astimezone(VIETNAM)
    return at.strftime("%d%m%YT%H%M%S") + f"+{at.microsecond // 1000:04d}"


def sdk_hash(data: bytes) -> str:
    return "".join(f"{byte:x}" for byte in hashlib.sha256(data).digest())


@dataclass
class Caller:
    """One system at a hub."""

    hub: RunningHub
    client: httpx.Client
    system_id: str
    secret: str
    extra: dict[str, str] = field(default_factory=dict)

    def headers(
        self, parameters: dict[str, str], *, at: datetime | None = None, content_type: str = "application/json"
    ) -> dict[str, str]:
        signed = {
            "systemid": self.system_id,
            **parameters,
            "timestamp": stamp(at or datetime.now(UTC)),
            "Content-Type": content_type,
        }
        text = json.dumps({f"XroadVnpt-{k}": v for k, v in signed.items()}, ensure_ascii=False, separators=(",", ":"))
        return {
            **{f"XroadVnpt-{name}": value for name, value in signed.items()},
            "Content-Type": content_type,
            "XroadVnpt-sign-header": text,
            "XroadVnpt-sign-header-key": ";".join(signed),
            "XroadVnpt-hash-header": hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest(),
            "XroadVnpt-version": "3.0.201608",
            "User-Agent": "tests",
            **self.extra,
        }

    def post(self, name: str, headers: dict[str, str], body: bytes = b"") -> httpx.Response:
        method = "GET" if name == "downloadEdoc" else "POST"
        raw = [(key.encode(), value.encode()) for key, value in headers.items()]
        return self.client.request(method, f"{self.hub.url}/{name}", headers=raw, content=body)

    def ask(self, name: str, body: bytes = b"", **parameters: str) -> dict[str, Any]:
        response = self.post(name, self.headers({k.replace("_", "-"): v for k, v in parameters.items()}), body)
        assert response.status_code == 200
        answer: dict[str, Any] = response.json()
        return answer

    def send_response(
        self, data: bytes, sender: str, *, kind: str = "edoc", to: list[str] | None = None, exact: bool = False
    ) -> httpx.Response:
        parameters = {"from": sender, "servicetype": "eDoc", "messagetype": kind}
        parameters["hash-file"] = hashlib.sha256(data).hexdigest() if exact else sdk_hash(data)
        if to is not None:
            parameters["to"] = json.dumps(to)
        headers = self.headers(parameters, content_type="application/octet-stream")
        return self.post("sendEdoc", headers, data if exact else data + b"\r\n")

    def send(
        self, data: bytes, sender: str, *, kind: str = "edoc", to: list[str] | None = None, exact: bool = False
    ) -> dict[str, Any]:
        answer: dict[str, Any] = self.send_response(data, sender, kind=kind, to=to, exact=exact).json()
        return answer

    def waiting(self, kind: str = "edoc") -> list[dict[str, Any]]:
        answer = self.ask("getReceivedEdocList", servicetype="eDoc", messagetype=kind)
        assert answer["ErrorCode"] == "0", answer
        rows: list[dict[str, Any]] = answer["data"]
        return rows

    def download(self, doc_id: str) -> bytes:
        response = self.post("downloadEdoc", self.headers({"docId": doc_id}))
        assert response.headers["content-type"] == "application/octet-stream", response.text
        return response.content

    def confirm(self, doc_id: str, status: str = "done") -> dict[str, Any]:
        return self.ask("updateStatus", b"{}", docid=doc_id, status=status)


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture
def caller(mock_hub: RunningHub, client: httpx.Client) -> Callable[..., Caller]:
    """Registers an agency of that code (secret: the code and ``-key``) and gives its system's caller."""

    def make(code: str, *, hub: RunningHub = mock_hub, **options: str) -> Caller:
        spec = hub.add_agency(code, f"{code}-key", f"Cơ quan {code}", **options)
        return Caller(hub, client, spec.system, spec.secret)

    return make


@pytest.fixture
def two(caller: Callable[..., Caller]) -> tuple[Caller, Caller]:
    """The agencies H29.05 and G22."""
    return caller("H29.05"), caller("G22")


@pytest.fixture
def packet() -> Callable[..., bytes]:
    """Makes document packets."""
    return make_packet


@pytest.fixture
def status() -> Callable[..., bytes]:
    """Makes status packets."""
    return make_status


@pytest.fixture
def run_curl() -> Callable[..., bytes]:
    """Runs curl, past any proxy of the machine, and gives what it printed; skips where there is none."""
    program = shutil.which("curl")
    if program is None:
        pytest.skip("there is no curl on this machine")

    def run(*options: str) -> bytes:
        command = [program, "--silent", "--show-error", "--fail-with-body", "--noproxy", "*", *options]
        return subprocess.run(command, capture_output=True, check=True, timeout=30).stdout

    return run


UUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ZIP = re.compile(rb"UEsDB[A-Za-z0-9+/=]+")
STATION = re.compile(
    rb"\r\n +<edXML:TraceHeader>\r\n +<edXML:OrganId>this-hub</edXML:OrganId>\r\n.*\r\n +</edXML:TraceHeader>"
)


@pytest.fixture(scope="session")
def comparable() -> Callable[[bytes], bytes]:
    """Makes rebuilt packets comparable: ids that are made up are one word, zips are their entries' names and contents.

    The TraceHeader of a hub called ``this-hub`` is left out.
    """

    def describe_zip(match: re.Match[bytes]) -> bytes:
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(match[0]))) as archive:
            return repr([(entry.filename, archive.read(entry)) for entry in archive.infolist()]).encode()

    def describe(packet: bytes) -> bytes:
        return UUID.sub(b"id", ZIP.sub(describe_zip, STATION.sub(b"", packet)))

    return describe


def make_packet(
    *,
    sender: str = "H29.05",
    to: tuple[str, ...] = ("G22",),
    document_id: str = "H29.05,2026/11/20,7816/SNV-VP",
    business: str = "0",
    header: str = "",
    trace: str = "",
    signature: str = "",
    attachments: tuple[tuple[str, str, str, bytes], ...] = (),
    subject: str = "V/v thử",
) -> bytes:
    """A document packet; attachments are (content id, name, content type, bytes)."""
    recipients = "".join(f"<e:To><e:OrganId>{code}</e:OrganId></e:To>" for code in to)
    references = "".join(_reference(cid, name, kind) for cid, name, kind, _ in attachments)
    encoded = "".join(_attachment(*attachment) for attachment in attachments)
    return _envelope(
        f"<e:MessageHeader><e:From><e:OrganId>{sender}</e:OrganId></e:From>{recipients}"
        f"<e:DocumentId>{document_id}</e:DocumentId>"
        "<e:Code><e:CodeNumber>7816</e:CodeNumber><e:CodeNotation>SNV-VP</e:CodeNotation></e:Code>"
        "<e:PromulgationInfo><e:PromulgationDate>2026/11/20</e:PromulgationDate></e:PromulgationInfo>"
        f"<e:Subject>{escape(subject)}</e:Subject>{header}</e:MessageHeader>"
        f"<e:TraceHeaderList><e:TraceHeader><e:OrganId>{sender}</e:OrganId>"
        f"<e:Timestamp>2026/11/20 08:00:00</e:Timestamp></e:TraceHeader>{trace}"
        f"<e:Bussiness><e:BussinessDocType>{business}</e:BussinessDocType></e:Bussiness></e:TraceHeaderList>{signature}",
        f'<e:edXMLBody><e:edXMLManifest version="1.0">{references}</e:edXMLManifest></e:edXMLBody>',
        f"<AttachmentEncoded>{encoded}</AttachmentEncoded>",
    )


def make_status(
    *, sender: str = "G22", to: str = "H29.05", code: str = "03", description: str = "Đã tiếp nhận"
) -> bytes:
    """A status packet about the document that `make_packet` makes."""
    return _envelope(
        f"<e:MessageHeader><e:From><e:OrganId>{sender}</e:OrganId></e:From>"
        f"<e:ResponseFor><e:OrganId>{to}</e:OrganId><e:Code>7816/SNV-VP</e:Code>"
        "<e:DocumentId>H29.05,2026/11/20,7816/SNV-VP</e:DocumentId></e:ResponseFor>"
        f"<e:StatusCode>{code}</e:StatusCode><e:Description>{description}</e:Description>"
        "<e:Timestamp>2026/11/20 09:00:00</e:Timestamp></e:MessageHeader>"
    )


def _envelope(header: str, body: str = "", encoded: str = "") -> bytes:
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<edXML xmlns="{NS}"><e:edXMLEnvelope xmlns:edXML="{NS}">'
        f"<e:edXMLHeader>{header}</e:edXMLHeader>{body}</e:edXMLEnvelope>{encoded}</edXML>\n"
    )
    return re.sub("(</?)e:", r"\1edXML:", text).encode()


def _reference(cid: str, name: str, kind: str) -> str:
    return (
        f'<e:Reference xlink:href="{cid}" xmlns:xlink="http://www.w3.org/1999/xlink"><e:ContentId>{cid}</e:ContentId>'
        f"<e:ContentType>{kind}</e:ContentType><e:AttachmentName>{name}</e:AttachmentName></e:Reference>"
    )


def _attachment(cid: str, name: str, kind: str, data: bytes) -> str:
    return (
        f"<Attachment><ContentId>{cid}</ContentId><AttachmentName>{name}</AttachmentName>"
        f"<ContentType>{kind}</ContentType>"
        f"<ContentTransferEncoded>{base64.b64encode(data).decode()}</ContentTransferEncoded></Attachment>"
    )
