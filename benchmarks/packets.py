"""Build, sign, read, verify and extract one large packet, as ratios to the floor measured in the same run.

    python benchmarks/packets.py [MEGABYTES]

The floor is what cannot be saved: for building, base64 and SHA-256 in chunks while writing; for reading, the reverse.
Each measurement runs in a process of its own; memory is the operating system's peak above that of a process that
only imports the package.
"""

from __future__ import annotations

import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pybase64

from edoc_connector import edxml, signing
from edoc_connector.testing import agency_keys, sample_document

CHUNK = 3 << 18


def imports_only(_folder: Path) -> None:
    """Nothing but the imports and the key: what memory is measured against."""
    agency_keys("Sở Nội vụ").signer()


def build_floor(folder: Path) -> None:
    """Base64 and SHA-256 in chunks while writing."""
    digest = hashlib.sha256()
    with (folder / "data").open("rb") as source, (folder / "floor").open("wb") as target:
        while piece := source.read(CHUNK):
            text = pybase64.b64encode(piece)
            digest.update(text)
            target.write(text)


def build(folder: Path) -> None:
    """Write the packet, unsigned."""
    edxml.write(_document(folder), folder / "plain.edxml", at=datetime.now(UTC))


def build_signed(folder: Path) -> None:
    """Write the packet, signed and sealed."""
    document, at, signer = _document(folder), datetime.now(UTC), agency_keys("Sở Nội vụ").signer()
    seal = signing.seal_maker(document, signer=signer, at=at)
    edxml.write(document, folder / "packet.edxml", at=at, signature=signing.enveloped(signer), seal=seal)


def read_floor(folder: Path) -> None:
    """SHA-256 and base64 in chunks while writing."""
    digest = hashlib.sha256()
    with (folder / "floor").open("rb") as source, (folder / "floor.out").open("wb") as target:
        while piece := source.read(4 << 18):
            digest.update(piece)
            target.write(pybase64.b64decode(piece, validate=True))


def verify(folder: Path) -> None:
    """Read and verify."""
    verification = signing.verify(edxml.read(folder / "packet.edxml"))
    if verification.status is not signing.VerificationStatus.VALID:
        raise SystemExit(verification.explanation)


def read_all(folder: Path) -> None:
    """Read, verify and extract."""
    packet = edxml.read(folder / "packet.edxml")
    verification = signing.verify(packet)
    verification.attachments[0].save(folder / "extracted")


STEPS: dict[str, tuple[Callable[[Path], None], str]] = {
    "imports": (imports_only, ""),
    "build floor": (build_floor, "build floor"),
    "build": (build, "build floor"),
    "build, sign, seal": (build_signed, "build floor"),
    "read floor": (read_floor, "read floor"),
    "verify": (verify, "read floor"),
    "read, verify, extract": (read_all, "read floor"),
}


def _document(folder: Path) -> edxml.Document:
    return sample_document(attachments=(edxml.Attachment.from_path(folder / "data", name="data.bin"),))


def _measure(step: str, folder: Path) -> tuple[float, float]:
    """Seconds and peak MiB of a step in a process of its own."""
    command = [sys.executable, __file__, "--step", step, str(folder)]
    seconds, peak = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    return float(seconds), float(peak)


def _run_step(step: str, folder: Path) -> None:
    agency_keys("Sở Nội vụ")  # making keys is not part of any step
    started = time.perf_counter()
    STEPS[step][0](folder)
    seconds = time.perf_counter() - started
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main(megabytes: int) -> None:
    """Measure every step and print a table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "data").open("wb") as file:
            block = hashlib.shake_256(b"benchmark").digest(1 << 20)
            for _ in range(megabytes):
                file.write(block)
        print(f"{megabytes} MB\n{'step':24}{'seconds':>9}{'× floor':>9}{'MiB above imports':>19}")
        measured: dict[str, tuple[float, float]] = {}
        for step, (_, floor) in STEPS.items():
            measured[step] = min(_measure(step, folder) for _ in range(3))
            seconds, peak = measured[step]
            ratio = f"{seconds / measured[floor][0]:9.2f}" if floor else " " * 9
            print(f"{step:24}{seconds:9.2f}{ratio}{peak - measured['imports'][1]:19.0f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        _run_step(sys.argv[2], Path(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
