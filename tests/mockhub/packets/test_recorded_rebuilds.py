"""The hub rebuilds as the vendor's library does: recorded packets, what it made of each, and where it threw."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.mockhub import rebuild_packet
from edoc_connector.mockhub.codes import RefusedError

Comparable = Callable[[bytes], bytes]
CAPTURES = Path(__file__).resolve().parents[3] / "shared/captures"
DOCTYPE = "33-doctype"  # the one packet that ours refuses and the library takes


def list_names(folder: str, ending: str) -> list[Any]:
    """Names of recorded packets, or one that is skipped where the records are not beside this checkout."""
    names = sorted(path.name.removesuffix(ending) for path in (CAPTURES / folder).glob(f"*{ending}"))
    absent = pytest.mark.skip(reason="the recorded packets are not beside this checkout")
    return names or [pytest.param("", marks=absent)]


def rebuild(packet: bytes, folder: Path) -> bytes:
    """What the hub makes of a packet."""
    source, target = folder / "source.edxml", folder / "target.edxml"
    source.write_bytes(packet)
    rebuild_packet(source, target, at=datetime(2026, 11, 29, tzinfo=UTC), organ_id="this-hub", limit=1 << 24)
    return target.read_bytes()


@pytest.mark.parametrize("name", list_names("rebuild", ".in.edxml"))
def test_a_recorded_packet_is_rebuilt_as_the_library_did(name: str, tmp_path: Path, comparable: Comparable) -> None:
    """VXP interface, "What the hub does": byte for byte but for ids that are made up; refused where it threw."""
    given = (CAPTURES / f"rebuild/{name}.in.edxml").read_bytes()
    made = CAPTURES / f"rebuild/{name}.out.edxml"
    if made.exists() and name != DOCTYPE:
        assert comparable(rebuild(given, tmp_path)) == comparable(made.read_bytes())
    else:
        with pytest.raises(RefusedError):
            rebuild(given, tmp_path)


@pytest.mark.parametrize("name", list_names("rebuild-sealed", ".sealed.edxml"))
def test_a_sealed_packet_is_rebuilt_once_and_twice_as_the_library_did(
    name: str, tmp_path: Path, comparable: Comparable
) -> None:
    """The seal, "Hubs that rebuild": a packet may pass two such hubs; the second rebuilds what the first made."""
    packet = (CAPTURES / f"rebuild-sealed/{name}.sealed.edxml").read_bytes()
    for times in ("once", "twice"):
        packet = rebuild(packet, tmp_path)
        made = (CAPTURES / f"rebuild-sealed/{name}.{times}.edxml").read_bytes()
        assert comparable(packet) == comparable(made), times
