"""Checkpoints: their text, whose signature counts, and at what time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from edoc_connector.errors import EvidenceError
from edoc_connector.evidence import (
    Checkpoint,
    CheckpointProblem,
    MemoryTiles,
    SignedCheckpoint,
    build_checkpoint,
    build_origin,
    format_checkpoint,
    hash_leaf,
    is_checkpoint_due,
    make_log_id,
    parse_checkpoint,
    read_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
)
from edoc_connector.signing import (
    Binding,
    LocalSigner,
    SignatureAlgorithm,
    TimestampAuthority,
    VerifyPolicy,
    close_signer,
    load_signer,
)
from edoc_connector.testing.keys import AgencyKeys, Kind, agency_keys, authority
from edoc_connector.testing.responders import Responders
from edoc_connector.testing.tokens import SoftToken

NOW = datetime.now(UTC).replace(microsecond=0)
ROOT = bytes(range(32))
ORIGIN = "edoc-evidence/H29.05/9f2c61d07be94a35"
HEAD = Checkpoint(origin=ORIGIN, size=20852163, root=ROOT, at=NOW)
TEXT = (
    b"edoc-evidence/H29.05/9f2c61d07be94a35\n20852163\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    b"time 2026-11-28T21:51:42Z\n"
)


@pytest.fixture(scope="module")
def policy() -> VerifyPolicy:
    """Trusts the authority of the throwaway keys."""
    return VerifyPolicy(anchors=(agency_keys("Sở Nội vụ", organ_id="H29.05").root,))


def test_the_text_of_a_checkpoint() -> None:
    """Origin, size, root in base64, and the time (C2SP tlog-checkpoint, "Note text")."""
    head = replace(HEAD, at=datetime(2026, 11, 28, 21, 51, 42, tzinfo=UTC))
    assert format_checkpoint(head) == TEXT
    assert parse_checkpoint(TEXT) == head
    assert head.agency == "H29.05"


def test_a_checkpoint_of_another_log_is_read() -> None:
    """One without a time, with lines that mean nothing here, of an origin that is none of ours."""
    text = TEXT.replace(b"time 2026", b"more 2026").replace(b"edoc-evidence", b"example.com")
    head = parse_checkpoint(text)
    assert (head.at, head.extensions, head.agency) == (None, ("more 2026-11-28T21:51:42Z",), None)
    assert format_checkpoint(head) == text


def test_the_origin_of_a_log() -> None:
    """It names the agency, whatever its code, and the log; a new log is another one."""
    origin = build_origin("H37 DN/1+ộ", make_log_id())
    assert origin.isascii()
    assert not {" ", "+"} & set(origin)
    assert replace(HEAD, origin=origin).agency == "H37 DN/1+ộ"
    assert make_log_id() != make_log_id()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        TEXT[:-1],
        TEXT + b"\n",
        TEXT.replace(b"20852163", b"020852163"),
        TEXT.replace(b"20852163", b"-1"),
        TEXT.replace(b"20852163", b"1" * 19),
        TEXT.replace(b"20852163", "\u0661".encode()),
        TEXT.replace(b"h8=", b"h8"),
        TEXT.replace(b"h8=", b"h9="),
        TEXT.replace(b"AAEC", b""),
        TEXT.replace(b"time 2026-11", b"time 2026-13"),
        TEXT.replace(b"time 2026-11-28", b"time 2026-11-8"),
        TEXT + b"time 2026-11-28T21:51:42Z\n",
        TEXT.replace(b"edoc", b"\xff"),
    ],
)
def test_what_is_no_checkpoint(text: bytes) -> None:
    """Another way to write the same is refused too, so that one head has one text."""
    with pytest.raises(EvidenceError, match="no checkpoint"):
        parse_checkpoint(text)


@given(st.binary(max_size=120))
def test_no_bytes_make_it_fall_over(data: bytes) -> None:
    """Bytes of anybody are a checkpoint or one typed error."""
    for one in (data, b"a\n1\n" + data):
        try:
            read_checkpoint(SignedCheckpoint(one))
            parse_checkpoint(one)
        except EvidenceError:
            continue


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        ("rsa", "rsa-sha256"),
        ("rsa", "rsa-pss-sha256"),
        ("rsa", "rsa-pss-sha512"),
        ("p256", "ecdsa-sha256"),
        ("p384", "ecdsa-sha384"),
    ],
)
def test_an_agency_signs_with_the_key_it_has(kind: Kind, algorithm: SignatureAlgorithm, policy: VerifyPolicy) -> None:
    """RSA in both paddings and the curves of agencies' certificates are verified, and who signed is named."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05", kind=kind)
    signer = LocalSigner(key=keys.key, certificates=keys.certificates, algorithm=SignatureAlgorithm(algorithm))
    verdict = verify_checkpoint(sign_checkpoint(HEAD, signer), keys.certificates, policy=policy, now=NOW)
    assert (verdict.problem, verdict.signed, verdict.trusted, verdict.binding) == (None, True, True, Binding.BOUND)
    assert verdict.checkpoint == HEAD
    assert verdict.signer == "Sở Nội vụ"


def test_without_an_authority_nothing_is_said_of_trust() -> None:
    """Then a certificate cannot say either whose it is."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
    verdict = verify_checkpoint(sign_checkpoint(HEAD, keys.signer()), keys.certificates, policy=VerifyPolicy(), now=NOW)
    assert (verdict.problem, verdict.trusted, verdict.binding) == (None, None, Binding.UNBOUND)


def test_an_unsigned_head_says_so(policy: VerifyPolicy) -> None:
    """An agency without a key has checkpoints too, and every check names that (issue, "unsigned")."""
    verdict = verify_checkpoint(sign_checkpoint(HEAD, None), (), policy=policy, now=NOW)
    assert (verdict.problem, verdict.signed, verdict.signer) == (CheckpointProblem.UNSIGNED, False, None)


def test_a_head_signed_by_a_key_that_is_not_shown(policy: VerifyPolicy) -> None:
    """A signature that none of the certificates made is none."""
    signed = sign_checkpoint(HEAD, agency_keys("Sở Nội vụ", organ_id="H29.05").signer())
    others = agency_keys("Văn phòng Chính phủ", organ_id="G22").certificates
    assert verify_checkpoint(signed, others, policy=policy, now=NOW).problem == CheckpointProblem.UNKNOWN_KEY


def test_a_forged_head_is_broken(policy: VerifyPolicy) -> None:
    """Any change of the text, or of the signature, under the agency's own key id (issue, "forged")."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
    note = sign_checkpoint(HEAD, keys.signer()).note
    for old, new in ((b"\n2085", b"\n2086"), (b"AAEC", b"AAED"), (b"time 2", b"time 3")):
        forged = SignedCheckpoint(note.replace(old, new))
        verdict = verify_checkpoint(forged, keys.certificates, policy=policy, now=NOW)
        assert (verdict.problem, verdict.signed) == (CheckpointProblem.BROKEN, False)


def test_a_head_under_another_name(policy: VerifyPolicy) -> None:
    """A signature counts only for the log whose name the key has, not for one that was renamed."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
    note = sign_checkpoint(HEAD, keys.signer()).note
    renamed = SignedCheckpoint(note.replace(b"edoc-evidence/H29.05", b"edoc-evidence/G22", 1))
    assert (
        verify_checkpoint(renamed, keys.certificates, policy=policy, now=NOW).problem == CheckpointProblem.UNKNOWN_KEY
    )


def test_a_head_signed_by_another_agency(policy: VerifyPolicy) -> None:
    """Listed certificates refuse it, and without a list nothing binds it to the agency (issue, "foreign")."""
    other, own = agency_keys("Văn phòng Chính phủ", organ_id="G22"), agency_keys("Sở Nội vụ", organ_id="H29.05")
    signed = sign_checkpoint(HEAD, other.signer())
    verdict = verify_checkpoint(signed, other.certificates, policy=policy, now=NOW)
    assert (verdict.problem, verdict.trusted, verdict.binding) == (None, True, Binding.UNBOUND)
    listed = replace(policy, organisations={"H29.05": ("code:H29.05",)})
    assert verify_checkpoint(signed, other.certificates, policy=listed, now=NOW).problem == CheckpointProblem.FOREIGN
    verdict = verify_checkpoint(sign_checkpoint(HEAD, own.signer()), own.certificates, policy=listed, now=NOW)
    assert (verdict.problem, verdict.binding) == (None, Binding.BOUND)


def test_a_signer_that_leads_nowhere() -> None:
    """With another authority given as trusted, the certificate is named as not trusted."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
    elsewhere = VerifyPolicy(anchors=(authority("Somebody else").certificates[-1],))
    verdict = verify_checkpoint(sign_checkpoint(HEAD, keys.signer()), keys.certificates, policy=elsewhere, now=NOW)
    assert (verdict.problem, verdict.trusted) == (CheckpointProblem.UNFIT, False)
    assert verdict.detail


def test_a_signer_is_judged_when_it_signed(policy: VerifyPolicy) -> None:
    """A head stays good when its certificate has expired, and one of a time before it began is not."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
    signed = sign_checkpoint(HEAD, keys.signer())
    much_later = keys.certificate.not_valid_after_utc + timedelta(days=1000)
    assert verify_checkpoint(signed, keys.certificates, policy=policy, now=much_later).problem is None
    early = replace(HEAD, at=keys.certificate.not_valid_before_utc - timedelta(days=1))
    verdict = verify_checkpoint(sign_checkpoint(early, keys.signer()), keys.certificates, policy=policy, now=NOW)
    assert (verdict.problem, verdict.detail.split()[0]) == (CheckpointProblem.UNFIT, "SIG-NOT-YET-VALID")


def test_a_time_stamp_that_is_none(policy: VerifyPolicy) -> None:
    """One that is not over this head, or no time-stamp at all, is named."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
    signed = replace(sign_checkpoint(HEAD, keys.signer()), timestamp=b"nonsense")
    verdict = verify_checkpoint(signed, keys.certificates, policy=policy, now=NOW)
    assert (verdict.problem, verdict.stamped_at) == (CheckpointProblem.UNSTAMPED, None)


@pytest.fixture(scope="module")
def stamping() -> Iterator[tuple[AgencyKeys, VerifyPolicy, TimestampAuthority]]:
    """An agency's keys, a time-stamp authority, and a policy that trusts both."""
    root = authority("Stamping CA")
    with Responders(root, "Stamping CA") as responders:
        keys = root.agency("Sở Nội vụ", organ_id="H29.05")
        yield keys, VerifyPolicy(anchors=(keys.root,)), TimestampAuthority(url=responders.tsa_url)


def test_a_time_stamp_vouches_for_the_time(
    stamping: tuple[AgencyKeys, VerifyPolicy, TimestampAuthority],
) -> None:
    """The authority's time counts, and a stamp over another head does not (RFC 3161)."""
    keys, policy, stamp = stamping
    signed = sign_checkpoint(HEAD, keys.signer(), timestamp=stamp)
    later = datetime.now(UTC) + timedelta(seconds=5)
    verdict = verify_checkpoint(signed, keys.certificates, policy=policy, now=later)
    assert (verdict.problem, verdict.trusted) == (None, True)
    assert verdict.stamped_at is not None
    assert abs(verdict.stamped_at - later) < timedelta(minutes=1)
    other = sign_checkpoint(replace(HEAD, size=1), keys.signer())
    moved = replace(other, timestamp=signed.timestamp)
    assert verify_checkpoint(moved, keys.certificates, policy=policy, now=later).problem == CheckpointProblem.UNSTAMPED
    assert verify_checkpoint(signed, keys.certificates, policy=VerifyPolicy(), now=later).stamped_at is None


@pytest.mark.parametrize("key", ["agency-key", "p256-key"])
def test_a_token_signs_a_checkpoint(soft_token: SoftToken, key: str) -> None:
    """A key that never leaves its token signs as a file's does (PKCS#11)."""
    signer = load_signer(soft_token.build_uri(key), secrets=lambda _: soft_token.pin)
    policy = VerifyPolicy(anchors=(agency_keys("Sở Nội vụ", organ_id="H29.05").root,))
    try:
        signed = sign_checkpoint(HEAD, signer)
        verdict = verify_checkpoint(signed, signer.certificates, policy=policy, now=datetime.now(UTC))
    finally:
        close_signer(signer)
    assert (verdict.problem, verdict.binding) == (None, Binding.BOUND)


def test_the_head_of_a_tree() -> None:
    """Size and root of the tree as it is, and the time to the second."""
    tree = MemoryTiles()
    tree.append(hash_leaf(b"one"))
    head = build_checkpoint(tree.open(), origin=ORIGIN, at=NOW.replace(microsecond=5))
    assert head == Checkpoint(origin=ORIGIN, size=1, root=hash_leaf(b"one"), at=NOW)


@pytest.mark.parametrize(
    ("last", "size", "hours", "due"),
    [
        (None, 0, 0, False),
        (None, 1, 0, True),
        (10, 10, 100, False),
        (10, 11, 23, False),
        (10, 11, 24, True),
        (10, 1033, 0, False),
        (10, 1034, 0, True),
    ],
)
def test_when_a_head_is_due(last: int | None, size: int, hours: int, due: bool) -> None:
    """After 1,024 entries, or a day after the last one if there are new ones (issue, "2.")."""
    newest = None if last is None else replace(HEAD, size=last)
    assert is_checkpoint_due(newest, size=size, now=NOW + timedelta(hours=hours)) is due
    if newest is not None and size > newest.size:
        assert is_checkpoint_due(replace(newest, at=None), size=size, now=NOW)


def test_a_key_of_a_kind_that_cannot_sign(policy: VerifyPolicy) -> None:
    """A certificate of another kind of key made no signature, and makes nothing fall over."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name.from_rfc4514_string("CN=x")
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=1))
    signed = sign_checkpoint(HEAD, agency_keys("Sở Nội vụ", organ_id="H29.05").signer())
    verdict = verify_checkpoint(signed, [builder.sign(key, None)], policy=policy, now=NOW)
    assert verdict.problem == CheckpointProblem.UNKNOWN_KEY
