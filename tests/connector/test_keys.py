"""The keys of a connector: the log warns when it is opened, and the right key signs what is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edoc_connector import edxml
from edoc_connector.signing import verify
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import AgencyKeys, get_default_authority
from edoc_connector.testing.tokens import SoftToken

DAY = timedelta(days=1)


def _keys(name: str, begins: int, ends: int) -> AgencyKeys:
    now = datetime.now(UTC)
    valid: dict[str, Any] = {"not_before": now + begins * DAY, "not_after": now + ends * DAY}
    return get_default_authority().agency("Sở Nội vụ", organ_id="H29.05", kind="p256", key_name=name, **valid)


@pytest.mark.parametrize(("left", "warned"), [(100, False), (50, True), (20, True), (5, True)])
def test_opening_warns_of_expiry(left: int, warned: bool, office: Any, tmp_path: Path, caplog: Any) -> None:
    """The log says when a connector is opened that its key is about to expire (Rollover)."""
    uri = _keys("ending", -10, left).write_pem(tmp_path / "key.pem")
    office("H29.05", signing={"key": uri})
    assert (f"expires in {left - 1} days" in caplog.text) is warned


def test_opening_tells_that_no_key_can_sign(office: Any, tmp_path: Path, caplog: Any) -> None:
    """A connector whose key has expired opens, as receiving needs none, and the log says so."""
    uri = _keys("expired", -100, -3).write_pem(tmp_path / "key.pem")
    office("H29.05", signing={"key": uri})
    assert "no key can sign now" in caplog.text


def test_the_renewed_key_signs_what_is_sent(office: Any, tmp_path: Path) -> None:
    """Of two configured keys the renewed one signs packet and seal (Rollover)."""
    old, new = _keys("old", -350, 15), _keys("new", -2, 363)
    uris = [old.write_pem(tmp_path / "old.pem"), new.write_pem(tmp_path / "new.pem")]
    connector = office("H29.05", signing={"key": None, "keys": uris})
    connector.send(sample_document())
    assert _signer_of(tmp_path) == new.certificate


def test_a_token_signs_what_is_sent(office: Any, tmp_path: Path, soft_token: SoftToken) -> None:
    """With the key on a token, named in the settings with its PIN by reference, a document goes out signed."""
    (tmp_path / "H29.05").mkdir()
    (tmp_path / "H29.05" / "pin").write_text(soft_token.pin)
    connector = office("H29.05", signing={"key": soft_token.build_uri("agency-key"), "secret": "file:pin"})
    assert connector.send(sample_document()).state == "sent"
    connector.close()
    assert _signer_of(tmp_path) is not None


def _signer_of(folder: Path) -> Any:
    files = (path for path in (folder / "H29.05" / "spool").rglob("*") if path.is_file())
    packet = max(files, key=lambda path: path.stat().st_size)
    verification = verify(edxml.read(packet))
    assert verification.reason == "SIG-OK"
    return verification.certificate
