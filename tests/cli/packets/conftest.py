"""Packets for the commands that read them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from edoc_connector import edxml, signing
from edoc_connector.testing import agency_keys, sample_document


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    """A signed and sealed packet; its authority's certificate lies beside it as ca.pem."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
    keys.write_root(tmp_path / "ca.pem")
    document, at = sample_document(), datetime.now(UTC)
    seal = signing.seal_maker(document, signer=keys.signer(), at=at)
    edxml.write(document, tmp_path / "a.edxml", at=at, signature=signing.enveloped(keys.signer()), seal=seal)
    return tmp_path / "a.edxml"


@pytest.fixture
def unsigned(tmp_path: Path) -> Path:
    """A packet without a signature."""
    edxml.write(sample_document(), tmp_path / "plain.edxml", at=datetime.now(UTC))
    return tmp_path / "plain.edxml"
