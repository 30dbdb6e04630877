"""The codes of one agency, as the store has the hub's directory, and as the receive policy asks for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256

from edoc_connector.connector import Connector
from edoc_connector.connector.naming import StoredDirectory
from edoc_connector.edxml import OrganId, write
from edoc_connector.signing import enveloped
from edoc_connector.store import DirectoryEntry, ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.keys import agency_keys

OLD_CODE = "000.00.05.H29"


def _offer(hub: RunningHub, organ_id: str, signer: str, folder: Path) -> None:
    """Put up a document that names a code as its sender, signed with the key of one of the agencies."""
    keys = agency_keys({"H29.05": "Sở Nội vụ", "H30": "UBND tỉnh"}[signer], organ_id=signer, kind="p256")
    document = sample_document()
    document = document.model_copy(update={"sender": document.sender.model_copy(update={"id": organ_id})})
    target = folder / f"{organ_id}-{signer}.edxml"
    write(document, target, at=datetime.now(UTC), signature=enveloped(keys.signer()))
    hub.offer(target.read_bytes(), sender="H29.05", to="G22")


@pytest.fixture
def receiver(hub: RunningHub, office: Any) -> Connector:
    """A receiver that pins the keys of H29.05, at a hub that knows the agency by its old code too."""
    pin = agency_keys("Sở Nội vụ", organ_id="H29.05", kind="p256").certificate.fingerprint(SHA256()).hex()
    receive = {"organisations": {"H29.05": [f"sha256:{pin}"]}, "organisations_others": "report"}
    made: Connector = office("G22", receive=receive)
    return made


def _tell_codes(receiver: Connector) -> None:
    with receiver.context.store.transaction() as tx:
        entry = DirectoryEntry(code="H29.05", other_code=OLD_CODE, name="Sở Nội vụ")
        tx.directory.replace_agencies("G22", [entry])


def test_pins_count_for_the_agencys_other_code(
    hub: RunningHub, receiver: Connector, handle: Any, tmp_path: Path
) -> None:
    """A pin is not evaded by the agency's other code, once the directory was taken over ("the agency's other code")."""
    _tell_codes(receiver)
    _offer(hub, OLD_CODE, "H30", tmp_path)
    assert handle(receiver) == []
    (aside,) = receiver.receipts()
    assert (aside.state, "not one configured" in str(aside.error)) == (ReceiptState.QUARANTINED, True)


def test_the_agency_itself_comes_in_under_its_other_code(
    hub: RunningHub, receiver: Connector, handle: Any, tmp_path: Path
) -> None:
    """The pinned key signs for either code, and nothing is unbound ("codes canonicalised through the directory")."""
    _tell_codes(receiver)
    _offer(hub, OLD_CODE, "H29.05", tmp_path)
    (receipt,) = handle(receiver)
    assert [finding.code for finding in receipt.verification.findings] == []


def test_a_directory_that_was_not_taken_over_pairs_nothing(
    hub: RunningHub, receiver: Connector, handle: Any, tmp_path: Path
) -> None:
    """Without the hub's word a code stands alone: its signer is unbound to it, and another's ("who signed")."""
    _offer(hub, OLD_CODE, "H29.05", tmp_path)
    assert handle(receiver) == []
    (receipt,) = receiver.receipts()
    assert "SIG-UNBOUND" in [finding.code for finding in receipt.verification.findings]
    assert (receipt.state, receipt.authority) == (ReceiptState.QUARANTINED, "contradicted")


def test_what_the_directory_knows(receiver: Connector) -> None:
    """Either code finds both, in any case; what no active agency has stands alone."""
    _tell_codes(receiver)
    directory = StoredDirectory(receiver.context.store, "G22")
    both = {OrganId.parse("H29.05"), OrganId.parse(OLD_CODE)}
    assert directory.codes("h29.05") == directory.codes(OrganId.parse(OLD_CODE)) == both
    assert "H29.05" in directory
    assert "H30" not in directory
    assert directory.codes("H30") == {OrganId.parse("H30")}
    assert "H29.05" not in replace(directory, agency="H30")
