"""The command demo, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


EDOC = [sys.executable, "-m", "edoc_connector"]


def test_the_demonstration_does_what_it_says(tmp_path: Path) -> None:
    """`edoc demo` exits 0 after a document went there and its status came back; everything lies in the folder."""
    done = subprocess.run([*EDOC, "demo", "--folder", str(tmp_path), "--json"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    said = json.loads(done.stdout)
    assert (
        said["received"]["signature"] | {"status": "VALID", "method": "seal", "trusted": True}
        == said["received"]["signature"]
    )
    assert [one["status"] for one in said["delivery"]["recipients"]] == ["03"]
    (saved,) = said["received"]["saved"]
    assert Path(saved).read_bytes().startswith(b"%PDF-")
    codes = [entry["to"] for entry in said["delivery"]["timeline"]]
    assert codes.index("sent") < codes.index("01") < codes.index("03")


def test_the_demonstration_sends_the_files_it_is_given(tmp_path: Path) -> None:
    """Files on the command line arrive as they are; the table is for people."""
    (tmp_path / "báo cáo.txt").write_text("xin chào", encoding="utf-8")
    command = [*EDOC, "demo", str(tmp_path / "báo cáo.txt"), "--folder", str(tmp_path / "demo")]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, env=environment, capture_output=True, check=False, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert "Đã tiếp nhận" in done.stdout
    (saved,) = (tmp_path / "demo").glob("*/receiver-G22/received/*")
    assert saved.read_text(encoding="utf-8") == "xin chào"


def test_no_secret_stands_in_the_demonstrations_output_or_arguments(tmp_path: Path) -> None:
    """Secrets are in files of their own that only their owner can read; --verbose tells each exchange without them."""
    done = subprocess.run([*EDOC, "--verbose", "demo", "--folder", str(tmp_path)], capture_output=True, check=True)
    assert b"DEBUG POST http://127.0.0.1" in done.stderr
    assert b"/sendEdoc: 200" in done.stderr
    secrets = [path for name in ("hub.secret", "key.password") for path in tmp_path.glob(f"*/*/{name}")]
    assert len(secrets) == 4
    for path in secrets:
        assert path.stat().st_mode & 0o077 == 0
        assert path.read_bytes() not in done.stdout + done.stderr


def test_all_of_the_demonstration_is_for_its_user_alone(tmp_path: Path) -> None:
    """Keys, stores, spools, saved files, the hub's folder and its log are private under any umask (docs/spool.md)."""
    command = ["sh", "-c", 'umask 000; exec "$@"', "sh", *EDOC, "demo", "--folder", str(tmp_path / "demo")]
    subprocess.run(command, capture_output=True, check=True)
    found = list(tmp_path.glob("demo/**/*"))
    names = {path.name for path in found}
    assert {"hub.log", "hub.sqlite3", "key.p12", "edoc.toml", "edoc.db", "cong-van-7816.pdf"} <= names
    open_to_others = {path: oct(path.stat().st_mode) for path in found if path.stat().st_mode & 0o077}
    assert open_to_others == {}


def test_a_demonstration_that_cannot_read_its_file_fails(tmp_path: Path) -> None:
    """Exit 1 and a line in each language; no hub is left running."""
    command = [*EDOC, "demo", str(tmp_path / "gone.pdf"), "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 2
    assert b"gone.pdf" in done.stderr
