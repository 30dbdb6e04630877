"""The command doctor."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from edoc_connector.connector import CHECKS
from edoc_connector.testing.keys import agency_keys

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


def test_a_set_up_that_is_right(offices: dict[str, Path], edoc: Edoc) -> None:
    """One line in both languages, and exit code 0; `--all` names each check."""
    ran = edoc("doctor", "-c", offices["G22"])
    assert (ran.code, ran.out) == (0, "G22: everything is as it should be\nG22: mọi thứ đều ổn\n")
    ran = edoc("doctor", "--all", "-c", offices["G22"])
    assert ran.code == 0
    assert all(check.code in ran.out for check in CHECKS)


def test_the_worst_decides_the_exit_code(offices: dict[str, Path], edoc: Edoc) -> None:
    """5 where somebody has to look, 1 where something does not go on; each with its cure in both languages."""
    folder = offices["G22"].parent
    (folder / "secret").write_text("throwaway")
    (folder / "secret").chmod(0o644)
    text = offices["G22"].read_text(encoding="utf-8")
    offices["G22"].write_text(text.replace("env:EDOC_TEST_SECRET", "file:secret"), encoding="utf-8")
    ran = edoc("doctor", "-c", offices["G22"])
    assert ran.code == 5
    assert "G22: WARN CHK-SECRET-MODES: other users of this machine can read 1 files" in ran.out
    assert "G22: CẢNH BÁO CHK-SECRET-MODES: người dùng khác trên máy đọc được" in ran.out
    assert "→ chmod 600 it, and change the secret\n    → hãy chạy chmod 600" in ran.out
    key = agency_keys("Văn phòng", organ_id="G22", kind="p256").write_pem(folder / "key.pem")
    with offices["G22"].open("a") as file:
        file.write(f'[signing]\nkey = "{key}"\n')
    (folder / "key.pem").unlink()
    ran = edoc("doctor", "-c", offices["G22"])
    assert ran.code == 1
    assert "G22: FAIL CHK-KEY: no key can sign now" in ran.out
    assert "G22: LỖI CHK-KEY: hiện không khóa nào ký được" in ran.out


def test_where_nothing_opens(offices: dict[str, Path], edoc: Edoc) -> None:
    """A store of another version is named with its cure, not a traceback, and exit code 1."""
    assert edoc("doctor", "-c", offices["G22"]).code == 0
    with sqlite3.connect(offices["G22"].parent / "edoc.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '0001'")
    database.close()
    ran = edoc("doctor", "-c", offices["G22"], "--json")
    assert ran.code == 1
    found = {one["code"]: one for one in json.loads(ran.out)["G22"]}
    assert found["CHK-STORE-REVISION"]["outcome"] == "fail"
    assert "edoc db upgrade" in found["CHK-STORE-REVISION"]["cure_vi"]
    assert found["CHK-STORE-DOWN"]["outcome"] == "unknown"


def test_no_secret_is_printed(offices: dict[str, Path], edoc: Edoc) -> None:
    """Neither with --json nor with --all."""
    for option in ("--json", "--all"):
        ran = edoc("doctor", option, "-c", offices["G22"])
        assert "throwaway" not in ran.out + ran.err
