"""The chain that a log began with goes on verifying."""

from __future__ import annotations

from datetime import UTC, datetime

from edoc_connector.evidence import (
    GENESIS,
    as_canonical_json,
    compute_chain_hash,
    compute_digest,
    is_sealed_chain,
    seal_chain,
)

ENTRIES = [as_canonical_json({"sequence": number, "kind": "change", "text": "đã gửi"}) for number in range(1, 6)]


def test_a_sealed_chain_is_recomputed() -> None:
    """The entry behind the old entries holds the end of their chain, and any change of one shows (issue, "6.")."""
    head = GENESIS
    for entry in ENTRIES:
        head = compute_chain_hash(head, compute_digest(entry))
    at = datetime(2026, 11, 28, tzinfo=UTC)
    sealed = seal_chain(agency="G22", at=at, actor="edoc", origin="edoc-evidence/G22/1", sequence=5, head=head)
    leaves = [entry.encode() for entry in ENTRIES]
    assert is_sealed_chain(leaves, sealed)
    assert not is_sealed_chain(leaves[:-1], sealed)
    assert not is_sealed_chain([leaves[0].replace(b"change", b"changed"), *leaves[1:]], sealed)
    assert not is_sealed_chain([leaves[1], leaves[0], *leaves[2:]], sealed)
