"""Broken set-ups: each is found by `edoc doctor`, named by its check, and told with what to do."""

from __future__ import annotations

import json
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.config import Settings
from edoc_connector.connector import Connector
from edoc_connector.store import DELIVERIES, Lease
from edoc_connector.testing import RunningHub, authority, sample_document

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
SETUP = """\
lang = "vi"

[agency]
id = "H29.05"
name = "Sở Nội vụ"

[hub]
endpoint = "{url}"
system_id = "H29.05"
secret = "file:hub.secret"

[http]
attempts = 1
connect = 3.0

[signing]
key = "pem:key.pem"

[receive]
policy = "trusted"
organisations_others = "refuse"
trust = ["ca.pem"]
"""
ISSUER = authority("Broken set-ups")

Break = Callable[[Path, RunningHub], None]


def _write_key(folder: Path, code: str = "H29.05", **options: object) -> None:
    ISSUER.agency("Sở Nội vụ", organ_id=code, kind="p256", **options).write_pem(folder / "key.pem")  # type: ignore[arg-type]


@pytest.fixture
def setup(tmp_path: Path, mock_hub: RunningHub, edoc: Edoc, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a set-up that is right, and open its store once; gives its folder, whose `site` has packages."""
    (tmp_path / "site").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "site")
    mock_hub.add_agency("H29.05", "c2VjcmV0", "Sở Nội vụ")
    _write_key(tmp_path)
    ISSUER.agency("Sở Nội vụ", organ_id="H29.05", kind="p256").write_root(tmp_path / "ca.pem")
    (tmp_path / "hub.secret").touch(mode=0o600)
    (tmp_path / "hub.secret").write_text("c2VjcmV0", encoding="ascii")
    (tmp_path / "edoc.toml").write_text(SETUP.format(url=mock_hub.url), encoding="utf-8")
    assert edoc("doctor", "-c", tmp_path / "edoc.toml").code == 0
    return tmp_path


def _replace(old: str, new: str) -> Break:
    def change(folder: Path, _: RunningHub) -> None:
        path = folder / "edoc.toml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    return change


def _append(text: str) -> Break:
    def change(folder: Path, _: RunningHub) -> None:
        with (folder / "edoc.toml").open("a", encoding="utf-8") as file:
            file.write(text)

    return change


def _in_hub(line: str) -> Break:
    return _replace("[hub]\n", f"[hub]\n{line}\n")


def _point_hub_at(url: str) -> Break:
    return lambda folder, hub: _replace(hub.url, url.format(port=hub.url.rpartition(":")[2]))(folder, hub)


def _remove(name: str) -> Break:
    return lambda folder, _: (folder / name).unlink()


def _overwrite(name: str, text: str) -> Break:
    def change(folder: Path, _: RunningHub) -> None:
        (folder / name).write_text(text, encoding="utf-8")

    return change


def _open_up(name: str, mode: int) -> Break:
    return lambda folder, _: (folder / name).chmod(mode)


def _renew_key(**options: object) -> Break:
    return lambda folder, _: _write_key(folder, **options)  # type: ignore[arg-type]


def _change_revision(folder: Path, _: RunningHub) -> None:
    with closing(sqlite3.connect(folder / "edoc.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '0001'")


def _ruin_store(folder: Path, _: RunningHub) -> None:
    for path in folder.glob("edoc.db-*"):  # what they hold would make it whole again
        path.unlink()
    (folder / "edoc.db").write_text("no database " * 1000, encoding="ascii")


def _encrypt_key(folder: Path, _: RunningHub) -> None:
    keys = ISSUER.agency("Sở Nội vụ", organ_id="H29.05", kind="p256")
    keys.write_pem(folder / "key.pem", password="right")
    (folder / "key.password").touch(mode=0o600)
    (folder / "key.password").write_text("wrong", encoding="ascii")
    _replace('key = "pem:key.pem"', 'key = "pem:key.pem"\nsecret = "file:key.password"')(folder, _)


def _shift_clock(_: Path, hub: RunningHub) -> None:
    hub.clock_offset = timedelta(minutes=10)


def _stop_hub(_: Path, hub: RunningHub) -> None:
    hub.stop()


def _find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _use_dead_proxy(folder: Path, hub: RunningHub) -> None:
    _replace("[http]\n", f'[http]\nproxy = "http://127.0.0.1:{_find_free_port()}"\n')(folder, hub)


def _use_broken_list(folder: Path, hub: RunningHub) -> None:
    (folder / "list.crl").write_text("no list", encoding="ascii")
    _append('[receive.revocation]\nmode = "crl"\ncrl_files = ["list.crl"]\n')(folder, hub)


def _block_checkpoints(folder: Path, hub: RunningHub) -> None:
    (folder / "kept").write_text("no folder", encoding="ascii")
    _append('[evidence]\ncheckpoints = "kept"\nentries = 1\n')(folder, hub)


def _install_bad_pair(folder: Path, _: RunningHub) -> None:
    for name, release in (("lxml", "5.4.0"), ("xmlsec", "1.3.17")):
        metadata = folder / "site" / f"{name}-{release}.dist-info"
        metadata.mkdir()
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {release}\n"
        (metadata / "METADATA").write_text(text, encoding="ascii")


def _leave_leases(folder: Path, _: RunningHub) -> None:
    """A worker that ended an hour ago in the midst of sending."""
    with Connector(Settings.load(folder / "edoc.toml")) as connector:
        connector.queue(sample_document())
        with connector.context.store.transaction() as tx:
            tx.leases.claim(DELIVERIES, Lease("gone", seconds=-3600), agency="H29.05", states=["ready"])


ENDED = {"not_before": NOW - 400 * DAY, "not_after": NOW - DAY}
BROKEN: dict[str, tuple[str, Break]] = {
    "no file": ("CHK-CONFIG", _remove("edoc.toml")),
    "not TOML": ("CHK-CONFIG", _append("= broken\n")),
    "an unknown setting": ("CHK-CONFIG", _in_hub('sistem_id = "x"')),
    "an unknown section": ("CHK-CONFIG", _append("[recieve]\npolicy = 1\n")),
    "no hub": ("CHK-CONFIG", _replace("[hub]", "[hub_]")),
    "an unknown dialect": ("CHK-CONFIG", _in_hub('dialect = "vpx"')),
    "a secret in the file": ("CHK-CONFIG", _replace("file:hub.secret", "c2VjcmV0")),
    "a password in the store's URL": ("CHK-CONFIG", _append('[store]\nurl = "postgresql+psycopg://me:pw@db/edoc"\n')),
    "a code with a space": ("CHK-CONFIG", _replace('id = "H29.05"\nname', 'id = "H29.05 "\nname')),
    "no name": ("CHK-CONFIG", _replace('name = "Sở Nội vụ"\n', "")),
    "a number that is none": ("CHK-CONFIG", _replace("connect = 3.0", 'connect = "soon"')),
    "a number out of bounds": ("CHK-CONFIG", _replace("connect = 3.0", "connect = -1")),
    "less than production": ("CHK-CONFIG", _replace('lang = "vi"', 'lang = "vi"\nprofile = "production"')),
    "an environment that nobody chose": ("CHK-CONFIG", _append('[env.test.hub]\nsystem_id = "T"\n')),
    "a header that cannot be": ("CHK-CONFIG", _append('[http.headers]\nHost = "x"\n')),
    "a secret's file is gone": ("CHK-OPEN", _remove("hub.secret")),
    "an empty secret": ("CHK-OPEN", _overwrite("hub.secret", "")),
    "a variable that is not set": ("CHK-OPEN", _replace("file:hub.secret", "env:NO_SUCH_VARIABLE")),
    "a secret's program is not there": ("CHK-OPEN", _replace("file:hub.secret", "cmd:no-such-program x")),
    "no root certificate": ("CHK-OPEN", _remove("ca.pem")),
    "a root that is no certificate": ("CHK-OPEN", _overwrite("ca.pem", "no certificate")),
    "no TLS authorities": ("CHK-OPEN", _replace("[http]\n", '[http]\nca_bundle = "gone.pem"\n')),
    "an endpoint that is no URL": ("CHK-OPEN", _point_hub_at("hub.example.gov.vn")),
    "a proxy that is no URL": ("CHK-OPEN", _replace("[http]\n", '[http]\nproxy = "proxy"\n')),
    "a key that is no URI": ("CHK-OPEN", _replace("pem:key.pem", "key.pem")),
    "a store that is no database": ("CHK-OPEN", _ruin_store),
    "a store of another version": ("CHK-STORE-REVISION", _change_revision),
    "a spool that others enter": ("CHK-DATA-MODES", _open_up("spool", 0o755)),
    "a secret that others read": ("CHK-SECRET-MODES", _open_up("hub.secret", 0o644)),
    "a key that others read": ("CHK-SECRET-MODES", _open_up("key.pem", 0o640)),
    "little space": ("CHK-SPACE", _append(f"[checks]\nfree_space = {1 << 60}\n")),
    "lxml and xmlsec that do not fit": ("CHK-LIBRARIES", _install_bad_pair),
    "messages that a dead worker left": ("CHK-LEASES", _leave_leases),
    "no key": ("CHK-KEY", _remove("key.pem")),
    "a key that is none": ("CHK-KEY", _overwrite("key.pem", "no key")),
    "a wrong password of the key": ("CHK-KEY", _encrypt_key),
    "a certificate not for signing": ("CHK-KEY", _renew_key(signing=False)),
    "a certificate of tomorrow": ("CHK-KEY", _renew_key(not_before=NOW + DAY)),
    "a certificate that ended": ("CHK-CERTIFICATE-ENDED", _renew_key(**ENDED)),
    "a certificate that ends": ("CHK-CERTIFICATE-ENDS", _renew_key(not_after=NOW + 9 * DAY)),
    "a certificate of another agency": ("CHK-CERTIFICATE-OWNER", _renew_key(code="G22")),
    "a revocation list that is none": ("CHK-REVOCATION", _use_broken_list),
    "checkpoints that cannot be kept": ("CHK-CHECKPOINT", _block_checkpoints),
    "a name without an address": ("CHK-HUB-NAME", _point_hub_at("http://hub.invalid")),
    "a hub that is down": ("CHK-HUB-REACH", _stop_hub),
    "a proxy that is down": ("CHK-HUB-PROXY", _use_dead_proxy),
    "https to a port without TLS": ("CHK-HUB-TLS", _point_hub_at("https://127.0.0.1:{port}")),
    "a wrong secret": ("CHK-HUB-LOGIN", _overwrite("hub.secret", "c2FpIG3huq10")),
    "a wrong system id": ("CHK-HUB-LOGIN", _replace('system_id = "H29.05"', 'system_id = "H99"')),
    "a wrong path": ("CHK-HUB-CALL", _point_hub_at("http://127.0.0.1:{port}/nowhere")),
    "a code that the hub does not list": ("CHK-OWN-CODE", _replace('id = "H29.05"\nname', 'id = "H29.99"\nname')),
    "another name than the directory's": ("CHK-OWN-NAME", _replace("Sở Nội vụ", "Sở Tài chính")),
    "a clock that is off": ("CHK-CLOCK-DRIFT", _shift_clock),
}
ALSO = {
    "a code that the hub does not list": {"CHK-CERTIFICATE-OWNER"},  # nor is it the one in our certificate
    "a clock that is off": {"CHK-CLOCK"},  # this hub refuses our time as well
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_setup(setup: Path, mock_hub: RunningHub, edoc: Edoc, broken: str) -> None:
    """It is found, named by its own check and no other, and told with a cure in the user's language (doctor)."""
    code, change = BROKEN[broken]
    change(setup, mock_hub)
    ran = edoc("doctor", "-c", setup / "edoc.toml", "--json")
    (results,) = json.loads(ran.out).values()
    raised = {one["code"]: one for one in results if one["outcome"] in ("warn", "fail")}
    assert set(raised) - ALSO.get(broken, set()) == {code}, {name: one["text"] for name, one in raised.items()}
    found = raised[code]
    assert all(found[name] for name in ("text", "text_vi", "cure", "cure_vi"))
    assert ran.code == (1 if found["outcome"] == "fail" else 5)
    assert "c2VjcmV0" not in ran.out + ran.err


def test_the_line_that_is_printed(setup: Path, mock_hub: RunningHub, edoc: Edoc) -> None:
    """In Vietnamese, where the configuration says so: the check, what is wrong, and below it what to do."""
    _remove("key.pem")(setup, mock_hub)
    lines = edoc("doctor", "-c", setup / "edoc.toml").out.splitlines()
    assert lines[0].startswith("H29.05: LỖI CHK-KEY: hiện không khóa nào ký được")
    assert lines[1].startswith("    → ")


def test_there_are_forty_of_them() -> None:
    """As many as the doctor is held to."""
    assert len(BROKEN) >= 40
