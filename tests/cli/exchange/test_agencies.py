"""The group `edoc agencies`, over a real hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc

SENDER = "H29.05"


def test_sync_find_show_import_send(offices: dict[str, Path], edoc: Edoc, tmp_path: Path) -> None:
    """What a clerk types after a reform: take over, search, import, and send to the heir (issue, "edoc agencies")."""
    at = ("-c", offices[SENDER])
    assert "edoc agencies sync" in edoc("agencies", "find", "van", "phong", *at).out
    assert json.loads(edoc("agencies", "sync", *at, "--json").out)["whole"] is True
    assert "mới 0, thay đổi 0" in edoc("agencies", "sync", *at).out
    assert "Văn phòng Chính phủ" in edoc("agencies", "find", "van phong", *at).out
    (tmp_path / "list.csv").write_text("Mã cũ;STT;Mã mới;Đến ngày\nG22;1;G23;30/06/2025\n", encoding="utf-8-sig")
    imported = edoc("agencies", "import", "list.csv", *at)
    assert "1 codes; new 1, changed 0" in imported.out
    assert "G23" in imported.err
    assert "STT" in imported.err
    assert json.loads(edoc("agencies", "import", "list.csv", "--replace", *at, "--json").out)["changed"] == 0
    shown = edoc("agencies", "show", "g22", *at).out
    assert "…–30/06/2025 (ended / đã ngừng)" in shown
    assert json.loads(edoc("agencies", "show", "G22", *at, "--json").out)["heir"]["code"] == "G23"
    assert [one["code"] for one in json.loads(edoc("agencies", "find", "g22", "--ended", *at, "--json").out)] == ["G22"]
    refused = edoc("send", "document.json", "--attach", "a.pdf", *at)
    assert (refused.code, "its successor is G23" in refused.err, "--use-successors" in refused.err) == (1, True, True)
    rewritten = edoc("send", "document.json", "--attach", "a.pdf", "--use-successors", *at)
    assert "the code G22 (Văn phòng Chính phủ) ended on 30/06/2025; its successor is G23" in rewritten.err
    (delivery,) = json.loads(edoc("deliveries", *at, "--json").out)["items"]
    assert [one["organ_id"] for one in delivery["recipients"]] == ["G23"]  # which this hub does not know


def test_an_agency_that_nobody_knows(offices: dict[str, Path], edoc: Edoc, tmp_path: Path) -> None:
    """Errors say what to do, with line numbers, in both languages (issue, "typed errors with line numbers")."""
    ran = edoc("agencies", "show", "H99", "-c", offices[SENDER])
    assert (ran.code, "edoc agencies find" in ran.err) == (1, True)
    (tmp_path / "list.csv").write_text("code\nH 1\n", encoding="utf-8")
    ran = edoc("agencies", "import", "list.csv", "-c", offices[SENDER])
    assert (ran.code, "line 2:" in ran.err, "dòng 2:" in ran.err) == (1, True, True)
