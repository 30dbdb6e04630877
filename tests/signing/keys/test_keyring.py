"""Several keys with overlapping validity: the choice of the one that signs, the list, and the log's warnings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from edoc_connector import edxml
from edoc_connector.errors import ConfigError, SigningError
from edoc_connector.signing import Keyring, KeyStatus, LocalSigner, SignatureAlgorithm, enveloped, key_status, verify
from edoc_connector.signing.keys.keyring import WARN_DAYS, close_signer, select_signer
from edoc_connector.signing.signer import Signer
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import AgencyKeys, get_default_authority

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


def _keys(name: str, begins: float, ends: float, **options: Any) -> AgencyKeys:
    """Keys valid from so many days after now until so many."""
    options = {"kind": "p256", **options}
    return get_default_authority().agency(
        "Sở Nội vụ",
        organ_id="H29.05",
        key_name=name,
        not_before=NOW + begins * DAY,
        not_after=NOW + ends * DAY,
        **options,
    )


def _signer(keys: AgencyKeys, at: datetime = NOW) -> LocalSigner:
    return keys.signer(clock=lambda: at)


OLD, NEW = _keys("old", -350, 15), _keys("new", -5, 360)
NEXT = _keys("next", 10, 375)
EXPIRED = _keys("expired", -400, -35)
LONG = _keys("long", -350, 380)
NOT_SIGNING = _keys("not signing", -1, 400, signing=False)
WEAK = _keys("weak", -1, 400, kind="rsa1024")

RULES: dict[str, tuple[list[AgencyKeys], AgencyKeys]] = {
    "the only one": ([OLD], OLD),
    "the renewed one, once it is valid": ([OLD, NEW], NEW),
    "in whatever order": ([NEW, OLD], NEW),
    "not one that is not valid yet": ([OLD, NEXT], OLD),
    "not one that has expired": ([EXPIRED, OLD], OLD),
    "not one that is not for signing": ([NOT_SIGNING, OLD], OLD),
    "not one that is too weak": ([WEAK, OLD], OLD),
    "of two that began together the longer": ([OLD, LONG], LONG),
    "of equals the first": ([_keys("a", -350, 15), OLD], _keys("a", -350, 15)),
}


@pytest.mark.parametrize("case", RULES)
def test_the_right_key_is_chosen(case: str) -> None:
    """Among the keys fit to sign now: the one valid last to begin, then last to end, then first named (Rollover)."""
    given, expected = RULES[case]
    keyring = Keyring(map(_signer, given), clock=lambda: NOW)
    assert keyring.certificate.public_key() == expected.certificate.public_key()
    assert [status.signs for status in keyring.statuses()].count(True) == 1
    assert keyring.sign(b"data")
    assert keyring.algorithm == "ecdsa-sha256"


def test_the_key_changes_when_the_time_comes() -> None:
    """One keyring over a year: the old key, then the renewed one from the day it is valid, then none (Rollover)."""
    at = NOW
    keyring = Keyring([keys.signer(clock=lambda: at) for keys in (OLD, NEXT)], clock=lambda: at)
    used = []
    for days in (0, 9, 11, 20, 374):
        at = NOW + days * DAY
        used.append(keyring.certificates[0])
    assert used == [OLD.certificate] * 2 + [NEXT.certificate] * 3
    at = NOW + 376 * DAY
    with pytest.raises(SigningError, match="none of the keys") as error:
        keyring.sign(b"data")
    assert error.value.message.count("expired") == 2
    assert error.value.vi.count("hết hạn") == 2


def test_one_packet_is_signed_by_one_key(tmp_path: Path) -> None:
    """A key that becomes valid while a packet is written signs the next packet, not half of this one."""
    at = NOW + 9.99 * DAY
    keyring = Keyring([keys.signer(clock=lambda: at) for keys in (OLD, NEXT)], clock=lambda: at)
    signature = enveloped(keyring)
    at = NOW + 11 * DAY
    edxml.write(sample_document(), tmp_path / "p.edxml", at=NOW, signature=signature)
    verification = verify(edxml.read(tmp_path / "p.edxml"))
    assert verification.certificate == OLD.certificate
    assert select_signer(keyring) is keyring.current()
    assert keyring.certificate == NEXT.certificate
    single = _signer(OLD)
    assert select_signer(single) is single


def test_a_single_keys_refusal_is_its_own() -> None:
    """With one key the error is that key's, not a list of one."""
    with pytest.raises(SigningError, match="expired on"):
        Keyring([_signer(EXPIRED)], clock=lambda: NOW).sign(b"data")


def test_a_keyring_needs_a_key() -> None:
    """An empty keyring, or one of something that is no URI, is a mistake in the configuration."""
    with pytest.raises(SigningError, match="no key"):
        Keyring([])
    with pytest.raises(SigningError, match="scheme"):
        Keyring.load(["agency"])


def test_statuses_tell_what_stands_where() -> None:
    """Name, algorithm, usage, days left, problem, successor: for each key in the order given (Rollover)."""
    keyring = Keyring(map(_signer, (EXPIRED, OLD, NEW, NOT_SIGNING)), names=("1", "2", "3", "4"), clock=lambda: NOW)
    expired, old, new, other = keyring.statuses()
    assert [one.name for one in (expired, old, new, other)] == ["1", "2", "3", "4"]
    assert [one.signs for one in (expired, old, new, other)] == [False, False, True, False]
    assert (old.days_left, new.days_left, expired.days_left) == (15, 360, -35)
    assert (old.succeeded, old.warn) == (True, None)
    assert (new.succeeded, new.warn, new.problem) == (False, None, None)
    assert "expired" in str(expired.problem)
    assert "digitalSignature" in str(other.problem)
    assert new.algorithm == SignatureAlgorithm.ECDSA_SHA256
    assert new.usage == ("digitalSignature", "contentCommitment")


@pytest.mark.parametrize(
    ("left", "due"), [(90, None), (60.5, None), (59.5, 60), (30.5, 60), (29.5, 30), (7.5, 30), (6.5, 7), (0.5, 7)]
)
def test_warnings_are_due_at_sixty_thirty_and_seven_days(left: float, due: int | None) -> None:
    """The warning due is the least of 60, 30 and 7 days that has come (Rollover)."""
    assert WARN_DAYS == (60, 30, 7)
    assert key_status(_signer(_keys("due", -10, left)), at=NOW).warn == due


def test_the_log_warns_once_a_step(caplog: pytest.LogCaptureFixture) -> None:
    """As time goes on each step is logged once, however many packets are signed in between (Rollover)."""
    at = NOW
    keys = _keys("steps", -10, 61.5)
    keyring = Keyring([keys.signer(clock=lambda: at)], names=["p12:agency.p12"], clock=lambda: at)
    told = []
    for days in (0, 1, 2, 5, 31, 32, 33, 54, 55, 61):
        at = NOW + days * DAY
        caplog.clear()
        keyring.sign(b"data")
        told.append([record.getMessage() for record in caplog.records])
    assert [len(one) for one in told] == [0, 0, 1, 0, 0, 1, 0, 0, 1, 0]
    assert "Sở Nội vụ (p12:agency.p12) expires in 59 days" in told[2][0]
    assert "[signing] keys" in told[2][0]
    assert {record.levelname for record in caplog.records} <= {"WARNING"}
    at = NOW + 62 * DAY
    with pytest.raises(SigningError):
        keyring.sign(b"data")
    assert "has expired" in caplog.text


def test_a_key_with_a_successor_needs_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    """No warning where another fit key goes on without a gap; one where there is a gap, or it is not for signing."""
    gap = _keys("gap", 16, 380)
    for other, warned in ((NEXT, False), (gap, True), (NOT_SIGNING, True), (EXPIRED, True)):
        caplog.clear()
        Keyring(map(_signer, (OLD, other)), clock=lambda: NOW).sign(b"data")
        assert ("expires in 15 days" in caplog.text) is warned, other


def test_a_key_that_cannot_be_loaded_does_not_stop_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged once and listed with its reason, and it is used as soon as it can be (Rollover)."""
    good = OLD.write_pem(tmp_path / "old.pem")
    keyring = Keyring.load([good, f"pem:{tmp_path}/new.pem?secret=env:X"])
    for _ in range(2):
        assert keyring.certificate == OLD.certificate
    assert caplog.text.count("cannot be used") == 1
    status = keyring.statuses()[1]
    assert (status.name, status.certificate, status.signs) == (f"pem:{tmp_path}/new.pem", None, False)
    assert "new.pem" in str(status.problem)
    NEW.write_pem(tmp_path / "new.pem")
    assert keyring.certificate == NEW.certificate


def test_a_secret_that_is_missing_is_a_keys_problem(tmp_path: Path) -> None:
    """Where the password cannot be had, that is the reason given for the key."""

    def secrets(name: str) -> str:
        raise ConfigError("the secret cannot be had", vi="không lấy được")

    keyring = Keyring.load([OLD.write_p12(tmp_path / "a.p12", password="x")], secrets=secrets)
    with pytest.raises(ConfigError, match="cannot be had"):
        keyring.sign(b"data")
    assert isinstance(keyring.statuses()[0].problem, ConfigError)


class _Plain:
    """A signer of someone else's making, with nothing but the protocol's members."""

    algorithm = SignatureAlgorithm.ECDSA_SHA256

    def __init__(self, certificates: tuple[x509.Certificate, ...]) -> None:
        self.certificates = certificates

    def sign(self, data: bytes) -> bytes:
        raise AssertionError(data)


def test_any_signer_has_a_status() -> None:
    """What a signer reports can be had of anyone's signer, a remote one for example; nothing is signed for it."""
    signer: Signer = _Plain(NEW.certificates)
    status = key_status(signer, name="remote")
    assert (status.name, status.days_left, status.signs) == ("remote", 359, True)
    assert key_status(_Plain(())).problem is not None
    assert isinstance(status, KeyStatus)
    close_signer(signer)


def test_names_and_repr_hold_no_secret(tmp_path: Path) -> None:
    """Someone who wrote a secret into a URI after all does not find it in lists and logs."""
    keyring = Keyring.load([f"p12:{tmp_path}/a.p12?password=hunter2", "pkcs11:token=a;pin-value=hunter2?x=hunter2"])
    told = repr(keyring) + repr(keyring.statuses())
    with pytest.raises(SigningError) as error:
        keyring.sign(b"data")
    assert "hunter2" not in told + str(error.value) + error.value.vi
    assert "pkcs11:token=a" in repr(keyring)
    keyring.close()
