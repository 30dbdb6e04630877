"""A log in memory, and packs out of it."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from edoc_connector import edxml
from edoc_connector.evidence import (
    Checkpoint,
    CheckpointFolder,
    LogEntry,
    LogEvent,
    MemoryTiles,
    PackWriter,
    SignedCheckpoint,
    build_origin,
    format_entry,
    hash_leaf,
    make_log_id,
    open_log,
    prove_entries,
    prove_heads,
    sign_checkpoint,
)
from edoc_connector.signing import Signer, enveloped
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import AgencyKeys, agency_keys

AGENCY = "H29.05"
DOCUMENT_ID = sample_document().id


@dataclass
class Log:
    """A log in memory, with the heads that its agency signed."""

    keys: AgencyKeys
    origin: str = field(default_factory=lambda: build_origin(AGENCY, make_log_id()))
    entries: list[bytes] = field(default_factory=list)
    tiles: MemoryTiles = field(default_factory=MemoryTiles)
    heads: list[SignedCheckpoint] = field(default_factory=list)

    def append(self, entry: LogEntry) -> int:
        """Append an entry and return the number of its leaf."""
        text = format_entry(entry)
        self.entries.append(text)
        self.tiles.append(hash_leaf(text))
        return len(self.entries) - 1

    def note(self, number: int) -> int:
        """Append an entry about another document."""
        change = LogEvent("change", AGENCY, {"new": "sent", "old": "sending"})
        return self.append(LogEntry(agency=AGENCY, at=now(), subject="receipt", subject_id=number, events=(change,)))

    def sign_head(self, signer: Signer | None) -> SignedCheckpoint:
        """Sign the head as it is now."""
        root = self.tiles.open().compute_root()
        head = Checkpoint(origin=self.origin, size=len(self.entries), root=root, at=now())
        self.heads.append(sign_checkpoint(head, signer))
        return self.heads[-1]

    def rewrite(self, number: int) -> None:
        """Rewrite an entry, as somebody with the database can, and link everything anew."""
        self.entries[number] = self.entries[number].replace(b'"sent"', b'"fake"')
        self.link_anew()

    def link_anew(self) -> None:
        """Build the tree over the entries as they are now."""
        self.tiles = MemoryTiles()
        for entry in self.entries:
            self.tiles.append(hash_leaf(entry))

    def keep(self, folder: Path) -> CheckpointFolder:
        """Keep every head so far outside, with all leaves."""
        kept = CheckpointFolder(folder)
        leaves = [hash_leaf(entry) for entry in self.entries]
        for number, head in enumerate(self.heads):
            leaf_hashes = leaves if number == len(self.heads) - 1 else []
            kept.save(head, certificates=self.keys.certificates, leaf_hashes=leaf_hashes)
        return kept


def now() -> datetime:
    """The present second, UTC."""
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="session")
def keys() -> AgencyKeys:
    """The keys of the agency that has the log."""
    return agency_keys("Sở Nội vụ", organ_id=AGENCY)


@pytest.fixture(scope="session")
def packet(tmp_path_factory: pytest.TempPathFactory, keys: AgencyKeys) -> bytes:
    """A signed packet."""
    path = tmp_path_factory.mktemp("packet") / "packet.edxml"
    edxml.write(sample_document(), path, at=datetime.now(UTC), signature=enveloped(keys.signer()))
    return path.read_bytes()


@pytest.fixture
def log(keys: AgencyKeys) -> Log:
    """A log that has gone on for a while, with a signed head in between."""
    log = Log(keys)
    log.append(open_log(agency=AGENCY, at=now(), actor=AGENCY, origin=log.origin))
    for number in range(20):
        log.note(number)
    log.sign_head(keys.signer())
    for number in range(20):
        log.note(number)
    return log


Change = Callable[[Path, str, Callable[[bytes], bytes | None]], Path]


@pytest.fixture(scope="session")
def change() -> Change:
    """Copies a pack with one file changed, or left out."""

    def copy(path: Path, name: str, how: Callable[[bytes], bytes | None]) -> Path:
        out = path.with_name("changed.zip")
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
            for info in old.infolist():
                content = how(old.read(info)) if info.filename == name else old.read(info)
                if content is not None:
                    new.writestr(info.filename, content)
        return out

    return copy


Flip = Callable[[int, bytes], bytes]


@pytest.fixture(scope="session")
def flip() -> Flip:
    """Flips a bit of the byte at a place."""
    return lambda place, content: content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


PackOf = Callable[..., Path]


@pytest.fixture
def pack_of(tmp_path: Path, packet: bytes, keys: AgencyKeys) -> PackOf:
    """Packs the document of a log."""

    own = keys.signer()

    def make(log: Log, *, signer: Signer | None = own, name: str = "x.zip", **facts: Any) -> Path:
        sha256 = hashlib.sha256(packet).hexdigest()
        kept = LogEvent("packet", AGENCY, {"stored": True})
        identity = {"document_id": DOCUMENT_ID, "sha256": sha256}
        first = log.append(
            LogEntry(agency=AGENCY, at=now(), subject="delivery", subject_id=1, identity=identity, events=(kept,))
        )
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            writer = PackWriter(archive)
            writer.copy(f"packets/{sha256}.edxml", io.BytesIO(packet))
            for certificate in log.keys.certificates:
                der = certificate.public_bytes(Encoding.DER)
                pem = certificate.public_bytes(Encoding.PEM)
                writer.add(f"certificates/{hashlib.sha256(der).hexdigest()}.pem", pem)
            writer.add("story.txt", b"what happened")
            about = {
                "what": "delivery",
                "sha256": sha256,
                "judged_at": now().isoformat(),
                "file": f"packets/{sha256}.edxml",
                "verification": "VALID",
                "judged": "VALID",
            }
            manifest = writer.write_manifest(
                {
                    "agency": AGENCY,
                    "document_id": DOCUMENT_ID,
                    "made_at": now().isoformat(),
                    "legacy_sha1": False,
                    "signed": signer is not None,
                    "packets": [about],
                    "organisations": {AGENCY: {"name": "Sở Nội vụ", "certificates": [f"code:{AGENCY}"]}},
                    **facts,
                }
            )
            packed = LogEvent("packed", AGENCY, {"document_id": DOCUMENT_ID, "manifest": manifest})
            last = log.append(LogEntry(agency=AGENCY, at=now(), events=(packed,)))
            earlier = list(log.heads)
            head = log.sign_head(signer)
            reader = log.tiles.open()
            proven = prove_entries(reader, [(index, log.entries[index]) for index in (first, last)])
            writer.finish(proven, head, prove_heads(reader, earlier))
        return tmp_path / name

    return make
