"""The command import, and the page about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc

DOCS = Path(__file__).parents[3] / "docs"
LINES = (
    "document_id;hub_doc_id;code;subject;issued_on;recipient;recipient_name;status;state",
    "id-1;71;1/SNV-VP;Văn bản một;20/11/2026;G22;VPCP;01;",
    "id-2;;2/SNV-VP;Văn bản hai;20/11/2026;G22;VPCP;;queued",
)


def test_documents_are_imported_undone_and_imported_again(edoc: Edoc, office: Path) -> None:
    """The command takes over, says what is left, undoes with a file, and takes that file over again."""
    (office / "old.csv").write_text("\n".join(LINES), encoding="utf-8")
    ran = edoc("import", "old.csv", "--batch", "first")
    assert ran.code == 0, ran.err
    assert "1 taken over" in ran.out
    assert "id-2" in ran.out
    told = json.loads(edoc("import", "--state", "first", "--json").out)
    assert (told["documents"], told["open"]) == (1, ["id-1"])
    assert edoc("import", "--undo", "first", "--out", "now.csv").code == 0
    assert "id-1" in (office / "now.csv").read_text(encoding="utf-8")
    assert json.loads(edoc("deliveries", "--json").out)["items"] == []
    again = edoc("import", "now.csv", "--json")
    assert json.loads(again.out)["added"] == ["id-1"]
    (found,) = json.loads(edoc("deliveries", "--json").out)["items"]
    assert found["recipients"][0]["status"] == "01"


def test_what_an_import_gives_back_computes_nothing(edoc: Edoc, office: Path) -> None:
    """A subject that a spreadsheet would compute is inert in the file of an undone import, and comes back unchanged."""
    subject = '=HYPERLINK("http://evil.example")'
    lines = [LINES[0], LINES[1].replace("Văn bản một", '"=HYPERLINK(""http://evil.example"")"')]
    (office / "old.csv").write_text("\n".join(lines), encoding="utf-8")
    assert edoc("import", "old.csv", "--batch", "first").code == 0
    assert edoc("import", "--undo", "first", "--out", "now.csv").code == 0
    written = (office / "now.csv").read_text(encoding="utf-8")
    assert written.startswith("\ufeff")
    assert "\"'=HYPERLINK(" in written
    assert edoc("import", "now.csv").code == 0
    assert json.loads(edoc("deliveries", "--json").out)["items"][0]["subject"] == subject


def test_what_to_do_must_be_said_once(edoc: Edoc, office: Path) -> None:
    """A command without a file, or with two wishes, is a mistake of its options."""
    assert edoc("import").code == 2
    assert edoc("import", "x.csv", "--undo", "b").code == 2
    assert edoc("import", "--undo", "b").code == 1
    assert edoc("import", "x.csv").code == 1


def test_what_cannot_be_written_is_shown(edoc: Edoc, office: Path) -> None:
    """An undone import whose file the system refuses is told on the screen: a second call has nothing to tell."""
    (office / "old.csv").write_text("\n".join(LINES), encoding="utf-8")
    assert edoc("import", "old.csv", "--batch", "first").code == 0
    ran = edoc("import", "--undo", "first", "--out", "/proc/now.csv")
    assert ran.code == 1
    assert "id-1" in ran.out
    assert "Keep what is shown above" in ran.err
