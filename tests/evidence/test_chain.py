"""The chain that a log began with goes on verifying."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime

from edoc_connector.evidence import GENESIS, as_canonical_json, compute_chain_hash, compute_digest, seal_chain

ENTRIES = [as_canonical_json({"sequence": number, "kind": "change", "text": "đã gửi"}) for number in range(1, 6)]


def compute_head(entries: Iterable[str]) -> str:
    """The chain's last hash."""
    head = GENESIS
    for entry in entries:
        head = compute_chain_hash(head, compute_digest(entry))
    return head


def test_a_sealed_chain_is_recomputed() -> None:
    """The entry behind the old entries holds the end of their chain, and any change of one shows (issue, "6.")."""
    head = compute_head(ENTRIES)
    at = datetime(2026, 11, 28, tzinfo=UTC)
    sealed = seal_chain(agency="G22", at=at, actor="edoc", origin="edoc-evidence/G22/1", sequence=5, head=head)
    facts = sealed.list_facts()[0]
    assert (facts["sealed_sequence"], facts["sealed_hash"]) == (len(ENTRIES), head)
    assert compute_head(ENTRIES[:-1]) != head
    assert compute_head([ENTRIES[0].replace("change", "changed"), *ENTRIES[1:]]) != head
    assert compute_head([ENTRIES[1], ENTRIES[0], *ENTRIES[2:]]) != head


def test_the_first_hash_follows_zeros() -> None:
    """As whoever reads docs/evidence.md computes it, in plain hashlib."""
    digest = hashlib.sha256(ENTRIES[0].encode()).hexdigest()
    assert compute_head(ENTRIES[:1]) == hashlib.sha256(f"{'0' * 64}\n{digest}".encode()).hexdigest()
