"""Make a store whose fingerprints count SteeringType 0 and Priority 0: ``python make_steering_store.py OUT.tar.xz``.

Run with the last commit before the two counted among the values that hubs add; ``steering_store.tar.xz`` came of it. An
agency sent documents that state both and updated one of them; the recipient has what came.
"""

from __future__ import annotations

import sys
import tarfile
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from edoc_connector import Connector, Settings
from edoc_connector.edxml import Attachment, Document, Priority
from edoc_connector.mockhub.config import MockHubConfig
from edoc_connector.testing import RunningHub, sample_document

AGENCIES = {"H29.05": "Sở Nội vụ", "G22": "Văn phòng Chính phủ"}


def document(number: str) -> Document:
    """Make the document of a number."""
    return sample_document(
        number=number,
        issued_on=date(2026, 11, 20),
        steering=False,
        priority=Priority.NORMAL,
        sphere="Lưu hành nội bộ",
        attachments=(Attachment.from_bytes(b"%PDF-1.4 x", name="cong-van.pdf"),),
    )


def main(out: Path) -> None:
    """Make the store and pack it.

    Args:
        out: archive to write.
    """
    with TemporaryDirectory() as name, RunningHub(MockHubConfig(data=Path(name, "hub"))) as hub:
        folder = Path(name)
        for code, agency_name in AGENCIES.items():
            hub.add_agency(code, f"secret-{code}", agency_name)
        with open_store(folder, hub, "H29.05") as sender, open_store(folder, hub, "G22") as receiver:
            sender.send(document("1"))
            sent = sender.send(document("2")).id
            sender.update(document("2").model_copy(update={"subject": "V/v sửa"}), updates=sent, reason="Sửa trích yếu")
            for receipt in receiver.receive():
                with receipt:
                    pass
        with tarfile.open(out, "w:xz") as packed:
            for path in (folder / "edoc.db", folder / "spool"):
                packed.add(path, path.name)


def open_store(folder: Path, hub: RunningHub, agency: str) -> Connector:
    """Open the connector of an agency; both have one store."""
    (folder / f"{agency}.secret").write_text(f"secret-{agency}")
    sections = {
        "agency": {"id": agency, "name": AGENCIES[agency]},
        "hub": {"endpoint": hub.url, "system_id": agency, "secret": f"file:{agency}.secret"},
        "store": {"url": f"sqlite:///{folder / 'edoc.db'}", "spool": str(folder / "spool")},
    }
    return Connector.open(Settings.of(sections, folder=folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
