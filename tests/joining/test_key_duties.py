"""What each key has to do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edoc_connector.config import Settings
from edoc_connector.connector import Connector
from edoc_connector.joining import read_key_duties
from edoc_connector.testing import MockOffice, RunningHub, authority, sample_document

DAY = timedelta(days=1)


def test_an_old_key_is_kept_while_what_it_signed_is_on_its_way(
    edoc_settings: Callable[..., Settings], mock_hub: RunningHub, tmp_path: Path
) -> None:
    """A document without 01 needs the certificate that signed it; with 01 the old key may go; a new one signs."""
    now = datetime.now(UTC)
    issuer = authority()
    old = issuer.agency("Sở Nội vụ", organ_id="H29.05", kind="p256", key_name="old", not_after=now + 9 * DAY)
    new = issuer.agency(
        "Sở Nội vụ", organ_id="H29.05", kind="p256", key_name="new", not_before=now - timedelta(hours=1)
    )
    uris = [old.write_pem(tmp_path / "old.pem"), new.write_pem(tmp_path / "new.pem")]
    partner = MockOffice(mock_hub, "G22", "Văn phòng Chính phủ")
    with Connector(edoc_settings("H29.05", signing={"keys": uris[:1]})) as connector:
        document_id = connector.send(sample_document()).id
        (duty,) = read_key_duties(connector)
        assert (duty.status.signs, duty.on_its_way) == (True, 1)
        assert "edoc keys request --key NEW --succession FILE" in duty.step.en
        assert "edoc keys request" in duty.step.vi
    with Connector(edoc_settings("H29.05", signing={"keys": uris})) as connector:
        first, second = read_key_duties(connector)
        assert [(one.status.signs, one.on_its_way) for one in (first, second)] == [(False, 1), (True, 0)]
        assert ("still on their way" in first.step.en, second.step.en) == (True, "nothing is due")
        partner.answer(document_id, "01")
        list(connector.receive())
        first, _ = read_key_duties(connector)
        assert (first.on_its_way, "take it out" in first.step.en) == (0, True)


def test_a_key_that_waits_and_one_that_is_gone(edoc_settings: Callable[..., Settings], tmp_path: Path) -> None:
    """A key of tomorrow takes over by itself; one that cannot be loaded is to be mended."""
    now = datetime.now(UTC)
    issuer = authority()
    today = issuer.agency("Sở Nội vụ", organ_id="H29.05", kind="p256", key_name="today").write_pem(tmp_path / "a.pem")
    later = issuer.agency("Sở Nội vụ", organ_id="H29.05", kind="p256", key_name="later", not_before=now + DAY)
    uris = [today, later.write_pem(tmp_path / "b.pem"), f"pem:{tmp_path / 'gone.pem'}"]
    with Connector(edoc_settings("H29.05", signing={"keys": uris})) as connector:
        steps = [duty.step.en for duty in read_key_duties(connector)]
    assert steps[0] == "nothing is due"
    assert "takes over by itself" in steps[1]
    assert "cannot be loaded" in steps[2]
