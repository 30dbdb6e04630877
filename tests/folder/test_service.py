"""The service of watched folders: what a wish to stop reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edoc_connector.folder import FolderService
from edoc_connector.testing import sample_document

if TYPE_CHECKING:
    from tests.folder.conftest import OpenOffice


def test_a_signal_ends_the_worker_of_one_run(open_office: OpenOffice) -> None:
    """With ``--once`` too the worker begins nothing after a stop: what is queued waits for the next run."""
    office = open_office(settle=0.0, worker=True)
    office.watcher.close()
    delivery = office.connector.queue(sample_document())
    service = FolderService([office.settings])
    service.stop()
    service.run_once()
    assert office.connector.delivery(delivery.id).state == "ready"
    assert FolderService([office.settings]).run_once()
    assert office.connector.delivery(delivery.id).state == "sent"
