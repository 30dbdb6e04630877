"""`edoc seal show`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector import edxml
from edoc_connector.signing import enveloped, seal_maker
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import AgencyKeys, agency_keys

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


@pytest.fixture
def keys() -> AgencyKeys:
    """The sender's keys."""
    return agency_keys("Sở Nội vụ", organ_id="H29.05", kind="p256")


@pytest.fixture
def packet(keys: AgencyKeys, tmp_path: Path) -> Path:
    """A signed and sealed packet."""
    document, at, path = sample_document(), datetime.now(UTC), tmp_path / "x.edxml"
    seal = seal_maker(document, signer=keys.signer(), at=at)
    edxml.write(document, path, at=at, signature=enveloped(keys.signer()), seal=seal)
    return path


def test_a_seal_is_shown(edoc: Edoc, packet: Path, keys: AgencyKeys, tmp_path: Path) -> None:
    """Fields, attachments and the verdict stand in the output, exit code 0 (The seal; `edoc seal show FILE`)."""
    done = edoc("seal", "show", packet, "--trust", keys.write_root(tmp_path / "root.pem"))
    assert done.code == 0
    for shown in ("From.OrganId", "H29.05", "cong-van.pdf", "VALID", "Sở Nội vụ"):
        assert shown in done.out


def test_a_seal_as_json(edoc: Edoc, packet: Path) -> None:
    """With --json everything is there for a program: what is sealed, the chain, the algorithms, the findings."""
    done = edoc("seal", "show", packet, "--json")
    told = json.loads(done.out)
    assert {"name": "To.OrganId", "value": "G22"} in told["fields"]
    assert [one["name"] for one in told["attachments"]] == ["cong-van.pdf"]
    assert told["created"].endswith("+07:00")
    assert told["differences"] == []
    verification = told["verification"]
    assert (verification["status"], verification["timestamped"]) == ("VALID", False)
    assert verification["algorithms"] == ["ecdsa-sha256", "sha256"]
    assert verification["chain"][0].startswith("CN=Sở Nội vụ")
    assert [one["code"] for one in verification["findings"]] == ["SIG-NOT-JUDGED", "SIG-UNBOUND"]


def test_differences_are_shown(edoc: Edoc, packet: Path) -> None:
    """A packet that is not as sealed: exit code 1, and what differs is marked, sealed and received."""
    packet.write_bytes(packet.read_bytes().replace("Giám đốc".encode(), "Bộ trưởng".encode()))
    done = edoc("seal", "show", packet)
    assert done.code == 1
    for shown in ("SEAL-DIFFERS", "≠", "Giám đốc", "Bộ trưởng"):
        assert shown in done.out


def test_without_a_seal(edoc: Edoc, keys: AgencyKeys, tmp_path: Path) -> None:
    """A packet without a seal has nothing to show: exit code 3, though its own signature may hold."""
    path = tmp_path / "x.edxml"
    edxml.write(sample_document(), path, at=datetime.now(UTC), signature=enveloped(keys.signer()))
    done = edoc("seal", "show", path)
    assert done.code == 3
    assert "no seal" in done.err
    assert "VALID (SIG-OK)" in done.out


def test_a_seal_that_cannot_be_read(edoc: Edoc, tmp_path: Path) -> None:
    """A seal of no known kind shows its reason: exit code 3."""
    path = tmp_path / "x.edxml"
    edxml.write(sample_document(), path, at=datetime.now(UTC), seal=lambda digests: b"<x/>")
    done = edoc("seal", "show", path, "--json")
    told = json.loads(done.out)
    assert (done.code, told["fields"], told["verification"]["reason"]) == (3, [], "SEAL-VERSION")


def test_no_packet(edoc: Edoc, tmp_path: Path) -> None:
    """A file that is no packet: exit code 2."""
    assert edoc("seal", "show", tmp_path / "none.edxml").code == 2
