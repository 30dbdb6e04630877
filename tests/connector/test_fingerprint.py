"""Fingerprints: the same document stays the same one through an upgrade."""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.connector import Connector
from edoc_connector.connector._fingerprint import compute_fingerprint
from edoc_connector.errors import DocumentIdConflict
from edoc_connector.store import DeliveryState, ReceiptState, upgrade
from edoc_connector.testing import sample_document

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Handle

DATA = Path(__file__).parents[1] / "store" / "data"


@pytest.fixture
def upgraded(tmp_path: Path) -> dict[str, str]:
    """Section ``store`` of the settings: a store whose fingerprints count SteeringType 0 and Priority 0, upgraded."""
    folder = tmp_path / "earlier"
    with tarfile.open(DATA / "steering_store.tar.xz") as packed:
        packed.extractall(folder, filter="data")
    url = f"sqlite:///{folder / 'edoc.db'}"
    upgrade(url)
    return {"url": url, "spool": str(folder / "spool")}


@pytest.fixture(scope="module")
def document() -> Callable[[str], Any]:
    """Makes the documents of that store."""
    spec = spec_from_file_location("make_steering_store", DATA / "make_steering_store.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.document  # type: ignore[no-any-return]  # of a module that was just loaded


def test_a_document_sent_again_after_an_upgrade_is_the_same(
    upgraded: dict[str, str], office: Callable[..., Connector], document: Callable[[str], Any], fails: Fails
) -> None:
    """A document that states SteeringType 0 is no other one after the upgrade (The seal, Checking: hubs' values)."""
    sender = office("H29.05", store=upgraded)
    before = sender.deliveries()
    again = sender.send(document("1"))
    assert (again.id, again.state) == ("H29.05,2026/11/20,1/SNV-VP", DeliveryState.SENT)
    # nor where the caller leaves to the writer what was stated before
    assert sender.send(document("1").model_copy(update={"steering": None, "priority": None})).id == again.id
    assert sender.deliveries() == before
    fails(DocumentIdConflict, lambda: sender.send(document("1").model_copy(update={"steering": True})))


def test_an_update_sent_again_after_an_upgrade_is_the_same(
    upgraded: dict[str, str], office: Callable[..., Connector], document: Callable[[str], Any]
) -> None:
    """The id of a request comes of its content, and does not change with the version (The seal, hubs' values)."""
    sender = office("H29.05", store=upgraded)
    known = [delivery.id for delivery in sender.deliveries()]
    changed = document("2").model_copy(update={"subject": "V/v sửa"})
    assert sender.update(changed, updates=changed.id, reason="Sửa trích yếu").id in known
    assert [delivery.id for delivery in sender.deliveries()] == known


def test_a_document_received_again_after_an_upgrade_is_a_duplicate(
    upgraded: dict[str, str], office: Callable[..., Connector], document: Callable[[str], Any], handle: Handle
) -> None:
    """A packet that a hub rebuilt is the same document as the one in the store; it is not set aside as another."""
    office("H29.05").send(document("1"))
    receiver = office("G22", store=upgraded, receive={"policy": "any"})
    assert handle(receiver) == []
    assert [receipt.state for receipt in receiver.receipts(limit=1)] == [ReceiptState.DUPLICATE]


def test_values_that_hubs_add_do_not_count() -> None:
    """What a hub adds makes no other document of it, and what it never adds does (The seal, Checking)."""
    plain, stated = sample_document(), sample_document(steering=False)
    assert compute_fingerprint(plain) == compute_fingerprint(stated)
    assert compute_fingerprint(plain) != compute_fingerprint(sample_document(steering=True))
    unrelated = "0" * 64
    assert compute_fingerprint(plain, stored=unrelated) == compute_fingerprint(plain)
