"""The commands spool new-key and spool rewrite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edoc_connector.store import SpoolKeys

if TYPE_CHECKING:
    from ..conftest import Edoc


def test_a_key_is_made_and_the_packets_are_encrypted_with_it(office: Path, edoc: Edoc) -> None:
    """From the key's file to encrypted packets and back, by commands alone (docs/spool.md)."""
    assert edoc("send", "document.json").code == 0
    made = edoc("spool", "new-key", "spool.key")
    assert (made.code, (office / "spool.key").stat().st_mode & 0o777) == (0, 0o600)
    key = SpoolKeys.parse((office / "spool.key").read_text(encoding="utf-8")).current
    assert key is not None
    assert key.id in made.out
    assert key.key.hex() not in made.out
    plain = (office / "edoc.toml").read_text(encoding="utf-8")
    for setting, suffix, said in (('spool_key = "file:spool.key"', ".enc", key.id),
                                  ('spool_old_keys = ["file:spool.key"]', ".edxml", "all are plain")):  # fmt: skip
        (office / "edoc.toml").write_text(f"{plain}[store]\n{setting}\n", encoding="utf-8")
        ran = edoc("spool", "rewrite")
        assert ran.code == 0
        assert "1 of 1 packets rewritten" in ran.out
        assert said in ran.out
        assert [path.suffix for path in (office / "spool").glob("??/*")] == [suffix]
        assert edoc("fsck", "--deep").code == 0


def test_a_key_replaces_no_file(office: Path, edoc: Edoc) -> None:
    """A key that packets may be encrypted with is never overwritten, and nothing is written through a link."""
    (office / "spool.key").write_bytes(b"old")
    ran = edoc("spool", "new-key", "spool.key")
    assert ran.code == 1
    assert "give the path of a new file" in ran.err
    assert (office / "spool.key").read_bytes() == b"old"


def test_drafts_elsewhere_need_a_key(office: Path, edoc: Edoc) -> None:
    """Plain drafts in another place than the plain spool would be a mistake, and are called one."""
    with (office / "edoc.toml").open("a", encoding="utf-8") as file:
        file.write('[store]\ndrafts = "/dev/shm/edoc"\n')
    ran = edoc("fsck")
    assert ran.code == 1
    assert "spool_key" in ran.err
