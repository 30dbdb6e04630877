"""Build, sign, read, verify and extract packets, as ratios to the floor measured in the same run.

    python benchmarks/packets.py [--quick]

The floor is what cannot be saved: for building, base64 and SHA-256 in chunks while writing, with the quickest base64
there is; for reading, the reverse. It writes as files are written by default: what we write is on the disk before it
has its name, so a second floor ends with fsync as well. Each measurement runs in a process of its own, the floors
between the others; of several rounds the best counts. Memory is the operating system's peak above that of a process
that only imports the package.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pybase64
from harness import Figure, show
from peers import PEERS

from edoc_connector import edxml, signing
from edoc_connector.testing import agency_keys, sample_document

CHUNK = 3 << 18
MB = 1_000_000
MEMORY_GOAL = 64


# --- The steps. Each works on the files data-0, data-1, … of a folder. ---


def imports_only(_folder: Path) -> None:
    """Nothing but the imports and the key: what memory is measured against."""


def build_floor(folder: Path, *, durable: bool = False) -> None:
    """Base64 and SHA-256 in chunks while writing."""
    digest = hashlib.sha256()
    with (folder / "floor").open("wb") as target:
        with (folder / "data-0").open("rb") as source:
            while piece := source.read(CHUNK):
                text = pybase64.b64encode(piece)
                digest.update(text)
                target.write(text)
        if durable:
            target.flush()
            os.fsync(target.fileno())


def durable_floor(folder: Path) -> None:
    """The same, and on the disk when it ends."""
    build_floor(folder, durable=True)


def build(folder: Path, *, name: str = "packet.edxml") -> None:
    """Write the packet, signed and sealed."""
    document, at, signer = _document(folder), datetime.now(UTC), agency_keys("Sở Nội vụ").signer()
    seal = signing.seal_maker(document, signer=signer, at=at)
    edxml.write(document, folder / name, at=at, signature=signing.enveloped(signer), seal=seal)


def read_floor(folder: Path) -> None:
    """SHA-256 and base64 in chunks while writing."""
    digest = hashlib.sha256()
    with (folder / "floor").open("rb") as source, (folder / "floor.out").open("wb") as target:
        while piece := source.read(4 << 18):
            digest.update(piece)
            target.write(pybase64.b64decode(piece, validate=True))


def files_floor(folder: Path) -> None:
    """The same for as many files as there are attachments: making a file costs more than filling a small one."""
    out = folder / f"extracted-{time.monotonic_ns()}"
    out.mkdir()
    for number in range(len(_data(folder))):
        with (folder / "floor").open("rb") as source, (out / str(number)).open("wb") as target:
            while piece := source.read(4 << 18):
                hashlib.sha256(piece)
                target.write(pybase64.b64decode(piece, validate=True))


def verify(folder: Path) -> signing.Verification:
    """Read and verify."""
    verification = signing.verify(edxml.read(folder / "packet.edxml"))
    if verification.status is not signing.VerificationStatus.VALID:
        raise SystemExit(verification.explanation)
    return verification


def read_all(folder: Path) -> None:
    """Read, verify and extract into a new folder."""
    edxml.save_all(verify(folder).attachments, folder / f"extracted-{time.monotonic_ns()}")


def _data(folder: Path) -> list[Path]:
    return sorted(folder.glob("data-*"), key=lambda path: int(path.name.partition("-")[2]))


def _document(folder: Path) -> edxml.Document:
    attached = tuple(edxml.Attachment.from_path(path, name=f"{path.name}.bin") for path in _data(folder))
    return sample_document(attachments=attached)


Step = Callable[[Path], object]
STEPS: dict[str, Step] = {
    "imports": imports_only,
    "build floor": build_floor,
    "durable floor": durable_floor,
    "build": build,
    "read floor": read_floor,
    "files floor": files_floor,
    "verify": verify,
    "read": read_all,
    **{
        f"{name}: {step}": work
        for name, both in PEERS.items()
        for step, work in zip(("build", "read"), both, strict=True)
    },
}


# --- Measuring. ---


@dataclass(frozen=True)
class Cost:
    """What a step took.

    Attributes:
        seconds: Of the clock.
        peak: Peak MiB of the process.
    """

    seconds: float
    peak: float


def _measure(step: str, folder: Path) -> Cost | None:
    """What a step takes in a process of its own; None where it cannot do the work."""
    command = [sys.executable, __file__, "--step", step, str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode:
        if step.partition(":")[0] in PEERS:
            return None
        raise RuntimeError(ran.stderr)
    seconds, peak = ran.stdout.split()
    return Cost(float(seconds), float(peak))


def _run_step(step: str, folder: Path) -> None:
    if step != "imports":
        with tempfile.TemporaryDirectory() as name:  # modules that are imported when they are needed
            _make(Path(name), 1000, 1)
            for each in ("build floor", "build", step.replace(": read", ": build"), step):
                STEPS[each](Path(name))
    agency_keys("Sở Nội vụ").signer()
    started = time.perf_counter()
    STEPS[step](folder)
    print(time.perf_counter() - started, _peak())


def _peak() -> float:
    """Peak MiB of this process.

    Linux keeps the peak of the process that started this one in getrusage's answer, so /proc is asked first.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024
    import resource

    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _make(folder: Path, size: int, count: int) -> None:
    """Files of a size in bytes."""
    block = hashlib.shake_256(b"benchmark").digest(MB)
    for number in range(count):
        with (folder / f"data-{number}").open("wb") as file:
            for start in range(0, size, MB):
                file.write(block[: size - start])


def _measured(size: int, count: int, steps: Sequence[str], rounds: int) -> dict[str, Cost]:
    """The best of each step, taken in turns."""
    best: dict[str, Cost] = {}
    with tempfile.TemporaryDirectory(prefix="edoc-packets-") as name:
        _make(Path(name), size, count)
        for _ in range(rounds):
            for step in steps:
                cost = _measure(step, Path(name))
                if cost is not None:
                    before = best.get(step, cost)
                    best[step] = Cost(min(cost.seconds, before.seconds), min(cost.peak, before.peak))
    return best


# --- The figures. ---

_OURS = ("imports", "build floor", "durable floor", "build", "read floor", "verify", "read")
_FLOORS = ("imports", "build floor", "read floor")
_WORK = {
    "build": ("build, sign, seal, write", "build floor", 2.0),
    "verify": ("read, verify", "read floor", 1.5),
    "read": ("read, verify, extract", "read floor", 2.0),
}
_GOAL_FROM = 100
"""MB from which the goals hold; below it a process's own beginnings count."""


def figures(quick: bool = False) -> list[Figure]:
    """Measure everything."""
    sizes = (1, 10) if quick else (1, 10, 100, 1000)
    counts = (1, 10, 100) if quick else (1, 10, 100, 1000)
    found = [one for size in sizes for one in _by_size(size, quick=quick)]
    return [*found, *_by_count(counts, quick=quick), *_beside((1,) if quick else (1, 10, 100))]


def _by_size(megabytes: int, *, quick: bool) -> Iterator[Figure]:
    costs = _measured(megabytes * MB, 1, _OURS, 1 if quick else 2 if megabytes > 100 else 5)
    yield from (
        Figure(work=f"{floor}, {megabytes} MB", value=costs[floor].seconds, unit="s")
        for floor in ("build floor", "durable floor", "read floor")
    )
    for step, (work, floor, goal) in _WORK.items():
        cost = costs[step]
        held = megabytes >= _GOAL_FROM
        one = Figure(
            work=f"{work}, {megabytes} MB",
            value=cost.seconds,
            unit="s",
            ratio=cost.seconds / costs[floor].seconds,
            to="floor",
            goal=goal if held else None,
            series=f"Seconds by MB: {work}",
            x=megabytes,
        )
        yield one
        if step == "build":
            yield replace(one, ratio=cost.seconds / costs["durable floor"].seconds, to="durable floor", series="")
        yield Figure(
            work=f"memory: {work}, {megabytes} MB",
            value=max(cost.peak - costs["imports"].peak, 0.0),
            unit="MiB",
            goal=MEMORY_GOAL,
            series=f"MiB above the import by MB: {work}",
            x=megabytes,
        )


def _by_count(counts: Sequence[int], *, quick: bool) -> Iterator[Figure]:
    """Seconds per MB of attachments of 100 KB, beside those of one attachment as large as the most of them."""
    each = 100_000
    steps, rounds = ("build", "read"), 1 if quick else 3
    whole = _measured(each * counts[-1], 1, steps, rounds)
    for count in counts:
        costs = _measured(each, count, ["build floor", "files floor", *steps], rounds)
        yield Figure(
            work=f"read, verify, extract, {count} × 100 KB",
            value=costs["read"].seconds,
            unit="s",
            ratio=costs["read"].seconds / costs["files floor"].seconds,
            to="floor with as many files",
        )
        for step in ("build", "read"):
            megabytes = each * count / MB
            per_mb = costs[step].seconds / megabytes
            yield Figure(
                work=f"{_WORK[step][0]}, {count} × 100 KB, per MB",
                value=1000 * per_mb,
                unit="ms",
                ratio=per_mb / (whole[step].seconds / (each * counts[-1] / MB)),
                to="one large",
                goal=1.5 if count == 1000 else None,
                series=f"Milliseconds per MB by attachments of 100 KB: {_WORK[step][0]}",
                x=count,
            )


def _beside(sizes: Sequence[int]) -> Iterator[Figure]:
    """The peers; one that cannot do a size is left out of it."""
    for megabytes in sizes:
        costs = _measured(megabytes * MB, 1, [*_FLOORS, *(step for step in STEPS if ":" in step)], 1)
        for name in PEERS:
            for step in ("build", "read"):
                if (cost := costs.get(f"{name}: {step}")) is None:
                    continue
                work, floor, _ = _WORK[step]
                yield Figure(
                    work=f"{name}: {work.replace('seal, ', '')}, {megabytes} MB",
                    value=cost.seconds,
                    unit="s",
                    ratio=cost.seconds / costs[floor].seconds,
                    to="floor",
                )
                peak = cost.peak - costs["imports"].peak
                yield Figure(
                    work=f"{name}: memory: {work.replace('seal, ', '')}, {megabytes} MB", value=peak, unit="MiB"
                )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--step", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        _run_step(options.step[0], Path(options.step[1]))
    else:
        show("Packets", figures(options.quick))


if __name__ == "__main__":
    main()
