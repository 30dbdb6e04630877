"""The command import, and the page about it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

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


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "a\x1bb", "a\nb", "a\udcffb"])
def test_a_batch_has_a_name_of_one_line(edoc: Edoc, office: Path, name: str) -> None:
    """What a database or a screen cannot hold is refused before anything is taken over; 64 characters are right."""
    (office / "old.csv").write_text("\n".join(LINES), encoding="utf-8")
    ran = edoc("import", "old.csv", "--batch", name)
    assert ran.code in (1, 2)
    assert "Traceback" not in ran.err
    assert "tên lần tiếp nhận" in ran.err.lower() or "--batch" in ran.err
    assert json.loads(edoc("deliveries", "--json").out)["items"] == []
    assert edoc("import", "old.csv", "--batch", "x" * 64).code == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_import_is_gone_on_with(edoc: Edoc, office: Path, number: signal.Signals) -> None:
    """Killed, or stopped by Ctrl-C, in the middle: the same command goes on, nothing is doubled or lost, all undone."""
    count = 400
    lines = [f"id-{one};{one};{one}/SNV-VP;Văn bản;20/11/2026;G22;VPCP;01;" for one in range(count)]
    (office / "old.csv").write_text("\n".join([LINES[0], *lines]), encoding="utf-8")
    # nice: on a busy machine it must not be through before this test looks again
    command = ["nice", "-n", "19", sys.executable, "-m", "edoc_connector", "import", "old.csv"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
    assert process.stderr is not None
    told = next(line for line in process.stderr if line.startswith("batch "))  # before anything is taken over
    batch = told.removeprefix("batch ").strip()
    while _count(office / "edoc.db") < 10:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, number)
    _, rest = process.communicate(timeout=60)
    begun = _count(office / "edoc.db")
    assert 10 <= begun < count
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert f"go on with --batch {batch}" in rest
        assert f"hoàn tác bằng --undo {batch}" in rest
    again = json.loads(edoc("import", "old.csv", "--batch", batch, "--json").out)
    assert (len(again["added"]), again["unchanged"]) == (count - begun, begun)
    assert _count(office / "edoc.db") == count
    undone = json.loads(edoc("import", "--undo", batch, "--json").out)
    assert sorted(one["document_id"] for one in undone["documents"]) == sorted(f"id-{one}" for one in range(count))


def _count(database: Path) -> int:
    """Count the documents that were taken over, as another program sees them."""
    try:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10) as connection:
            return int(connection.execute("SELECT count(*) FROM imported_documents").fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # the tables are not there yet
