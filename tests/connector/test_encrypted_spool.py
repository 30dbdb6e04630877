"""Packets that are encrypted at rest: a connector does everything with them, and nobody else can read them."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.connector import check_pack
from edoc_connector.edxml import Attachment
from edoc_connector.errors import ConfigError, StoreError
from edoc_connector.store import SpoolKey
from edoc_connector.testing import sample_document

if TYPE_CHECKING:
    from .conftest import Office

TEXT = b"what only the two agencies may read. " + secrets.token_bytes(1 << 20)  # larger than what is kept in memory


def key_section(folder: Path, key: SpoolKey, *older: SpoolKey) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    for one in (key, *older):
        (folder / one.id).touch(0o600)
        (folder / one.id).write_text(one.key.hex(), encoding="utf-8")
    return {"spool_key": f"file:{folder}/{key.id}", "spool_old_keys": [f"file:{folder}/{one.id}" for one in older]}


def read_spool(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((folder / "spool").rglob("*")) if path.is_file())


def test_a_document_goes_both_ways_encrypted_at_rest(office: Office, tmp_path: Path) -> None:
    """Sent, received, saved, packed, checked, pruned; the disk has neither text nor XML (issue, on the disk)."""
    store = key_section(tmp_path / "keys", SpoolKey.generate())
    sender, receiver = office("H29.05", store=store), office("G22", store=store)
    attachment = Attachment.from_bytes(TEXT, name="a.txt")
    document = sample_document(attachments=(attachment,))
    assert sender.send(document).state == "sent"
    for receipt in receiver.receive():
        with receipt:
            assert receipt.verification.status.name == "VALID"
            assert b"".join(receipt.attachments[0].pieces()) == TEXT
            receipt.attachments[0].save(tmp_path / "a.txt")
        receipt.accept()
    assert (tmp_path / "a.txt").read_bytes() == TEXT
    assert list(sender.receive()) == []
    assert sender.delivery(document.id).recipients[0].status == "03"
    assert receiver.receipts()[0].document is not None  # read again, from the disk
    for connector, agency in ((sender, "H29.05"), (receiver, "G22")):
        on_disk = read_spool(tmp_path / agency)
        assert len(on_disk) > len(TEXT)
        assert not re.search(rb"edXML|<\?xml|" + re.escape(TEXT[:36]), on_disk)
        assert connector.fsck(deep=True) == []
        pack = connector.evidence(document.id, out=tmp_path / f"{agency}.zip")
        checked = check_pack(pack)
        assert (checked.problems, checked.missing) == ((), ())
        assert pack.stat().st_mode & 0o777 == 0o600
    assert receiver.prune(timedelta(0), dry_run=False).packets > 0
    assert receiver.fsck(deep=True) == []


def test_a_lost_encrypted_packet_comes_from_the_hub(office: Office, tmp_path: Path) -> None:
    """`fsck` sees an altered file without its hash having to match anything, and puts the hub's bytes in its place."""
    store = key_section(tmp_path / "keys", SpoolKey.generate())
    sender, receiver = office("H29.05"), office("G22", store=store)
    sender.send(sample_document())
    next(receiver.receive())
    (place,) = (tmp_path / "G22" / "spool").glob("??/*.enc")
    place.write_bytes(place.read_bytes()[:-1])
    with pytest.raises(StoreError, match="Restore it from a backup"):
        _ = receiver.receipts()[0].document
    assert [one.kind for one in receiver.fsck(deep=True)] == ["altered"]
    assert [one.repaired is not None for one in receiver.fsck(deep=True, repair=True)] == [True]
    assert receiver.fsck(deep=True) == []
    assert receiver.receipts()[0].document is not None


def test_a_key_is_changed_while_everything_can_be_read(office: Office, tmp_path: Path) -> None:
    """From plain to a key, to another, and back: each packet is read at every step (issue, rotation by rewriting)."""
    first, second = SpoolKey.generate(), SpoolKey.generate()
    keys = tmp_path / "keys"
    sections = [key_section(keys, first), key_section(keys, second, first)]
    sections += [{"spool_old_keys": [f"file:{keys}/{second.id}"]}]
    office("G22").send(sample_document(sender=office("G22").settings.organization()))
    (row,) = office("G22").deliveries()
    for section, key_id in zip(sections, (first.id, second.id, None), strict=True):
        connector = office("G22", store=section)
        assert connector.fsck(deep=True) == []
        result = connector.rewrite_spool()
        assert (result.rewritten, result.key_id) == (1, key_id)
        assert connector.fsck(deep=True) == []
        assert connector.rewrite_spool().rewritten == 0
    assert row.id.encode() in read_spool(tmp_path / "G22")


def test_a_secret_that_others_can_read_is_warned_of(
    office: Office, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each file with a secret or a key is named once, or refused by a setting (issue, readable secrets)."""
    store = key_section(tmp_path / "keys", SpoolKey.generate())
    connector = office("H29.05", store=store)
    open_files = [*(tmp_path / "keys").iterdir(), tmp_path / "H29.05" / "key.pem", tmp_path / "H29.05" / "secret"]
    assert "can be read by other users" not in caplog.text
    for path in open_files:
        path.chmod(0o640 if path.name == "key.pem" else 0o644)
    connector.settings.check_secret_files()
    warned = [one.getMessage() for one in caplog.records if "can be read by other users" in one.getMessage()]
    assert sorted(line.partition(" holds a secret")[0] for line in warned) == sorted(map(str, open_files))
    for path in open_files:
        for other in open_files:
            other.chmod(0o600)
        path.chmod(0o604)
        with pytest.raises(ConfigError, match=re.escape(str(path))) as caught:
            connector.settings.model_copy(
                update={"files": connector.settings.files.model_copy(update={"open_secrets": "refuse"})}
            ).check_secret_files()
        assert "chmod 600" in caught.value.vi
