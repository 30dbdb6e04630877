"""Our key, its certificate and the clock: each condition is made, found, mended and gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from edoc_connector.connector import CheckOutcome
from edoc_connector.errors import EdocError
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.keys import agency_keys, authority

if TYPE_CHECKING:
    from tests.connector.checks.conftest import Find
    from tests.connector.conftest import Fails, Office

PASS, WARN, FAIL = CheckOutcome.PASS, CheckOutcome.WARN, CheckOutcome.FAIL
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def _write_key(path: Path, *, begins: datetime, ends: datetime) -> str:
    keys = authority().agency("Sở Nội vụ", organ_id="H29.05", kind="p256", not_before=begins, not_after=ends)
    return keys.write_pem(path)


def test_a_certificate_that_ends(office: Office, tmp_path: Path, find: Find) -> None:
    """CHK-CERTIFICATE-ENDS before, CHK-CERTIFICATE-ENDED after, neither with a new key (faults, row 25)."""
    ended = _write_key(tmp_path / "ended.pem", begins=NOW - 20 * DAY, ends=NOW - 10 * DAY)
    ending = _write_key(tmp_path / "ending.pem", begins=NOW - 20 * DAY, ends=NOW + 10 * DAY)
    new = _write_key(tmp_path / "new.pem", begins=NOW - DAY, ends=NOW + 300 * DAY)
    codes = ("CHK-CERTIFICATE-ENDED", "CHK-CERTIFICATE-ENDS", "CHK-KEY")
    for keys, outcomes in (
        ([ended], (FAIL, PASS, PASS)),
        ([ended, ending], (PASS, WARN, PASS)),
        ([ended, ending, new], (PASS, PASS, PASS)),
    ):
        connector = office("H29.05", signing={"key": None, "keys": keys})
        assert tuple(find(connector, code) for code in codes) == outcomes
        connector.close()


def test_a_key_that_cannot_be_used(office: Office, tmp_path: Path, find: Find) -> None:
    """CHK-KEY is raised while the file is gone."""
    key = tmp_path / "key.pem"
    uri = _write_key(key, begins=NOW - DAY, ends=NOW + 300 * DAY)
    aside = key.rename(tmp_path / "aside.pem")
    connector = office("H29.05", signing={"key": uri})
    assert find(connector, "CHK-KEY") is FAIL
    aside.rename(key)
    assert find(connector, "CHK-KEY") is PASS


def test_a_certificate_of_another_agency(office: Office, tmp_path: Path, find: Find) -> None:
    """CHK-CERTIFICATE-OWNER is raised for a key whose certificate names another organisation."""
    other = agency_keys("Văn phòng", organ_id="G22", kind="p256").write_pem(tmp_path / "other.pem")
    connector = office("H29.05", signing={"key": other})
    assert find(connector, "CHK-CERTIFICATE-OWNER") is FAIL
    connector.close()
    assert find(office("H29.05"), "CHK-CERTIFICATE-OWNER") is PASS


def test_a_certificate_that_leads_nowhere(office: Office, tmp_path: Path, find: Find) -> None:
    """CHK-CERTIFICATE-CHAIN is raised where no authority of [receive] trust issued it, and gone with that authority."""
    issuer = authority("Another CA")
    keys = issuer.agency("Sở Nội vụ", organ_id="H29.05", kind="p256")
    key, root = keys.write_pem(tmp_path / "key.pem"), keys.write_root(tmp_path / "root.pem")
    connector = office("H29.05", signing={"key": key})
    assert find(connector, "CHK-CERTIFICATE-CHAIN") is WARN
    connector.close()
    connector = office("H29.05", signing={"key": key}, receive={"trust": [str(root)]})
    assert find(connector, "CHK-CERTIFICATE-CHAIN") is PASS


def test_revocation_that_cannot_be_learnt(office: Office, tmp_path: Path) -> None:
    """CHK-REVOCATION is raised where the list of [receive.revocation] is none, in a look that asks others."""

    def find_remote(**revocation: object) -> CheckOutcome:
        connector = office("H29.05", receive={"revocation": revocation})
        (result,) = (one for one in connector.checks(remote=True) if one.code == "CHK-REVOCATION")
        connector.close()
        return result.outcome

    (tmp_path / "no.crl").write_text("no list", encoding="ascii")
    assert find_remote(mode="crl", crl_files=[str(tmp_path / "no.crl")]) is WARN
    assert find_remote(mode="none") is PASS


def test_packets_that_go_out_unsigned(office: Office, find: Find) -> None:
    """Without a key there is none that could end."""
    connector = office("H29.05", signing={"key": None})
    assert {find(connector, code) for code in ("CHK-KEY", "CHK-CERTIFICATE-ENDED", "CHK-CERTIFICATE-ENDS")} == {PASS}


def test_a_clock_that_is_off(office: Office, hub: RunningHub, find: Find, fails: Fails) -> None:
    """CHK-CLOCK is raised once the hub refused our time, and gone once it takes it again (faults, row 22)."""
    connector = office("H29.05")
    assert find(connector, "CHK-CLOCK") is PASS
    hub.clock_tolerance = timedelta(seconds=30)
    hub.clock_offset = timedelta(minutes=10)
    list(connector.receive())
    assert find(connector, "CHK-CLOCK") is FAIL
    hub.clock_offset = timedelta(0)
    try:
        list(connector.receive())
    except EdocError:
        list(connector.receive())
    assert find(connector, "CHK-CLOCK") is PASS
