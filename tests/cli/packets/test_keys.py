"""`edoc keys`: the configured keys, with expiry and usage."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from cryptography.x509 import load_pem_x509_csr

from edoc_connector.signing import fingerprint_key, read_request
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import AgencyKeys, agency_keys, get_default_authority
from edoc_connector.testing.tokens import SoftToken

DAY = timedelta(days=1)
PASSWORD = "a password nobody sees"

Configure = Callable[..., Path]


def _keys(name: str, begins: int, ends: int, **options: Any) -> AgencyKeys:
    now = datetime.now(UTC)
    valid: dict[str, Any] = {"not_before": now + begins * DAY, "not_after": now + ends * DAY + timedelta(hours=1)}
    return get_default_authority().agency(
        "Sở Nội vụ", organ_id="H29.05", kind="p256", key_name=name, **valid, **options
    )


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Writes a configuration whose section [signing] is the text given."""

    def write(signing: str) -> Path:
        path = tmp_path / "edoc.toml"
        (tmp_path / "password").write_text(f"{PASSWORD}\n")
        path.write_text(
            '[agency]\nid = "H29.05"\nname = "Sở Nội vụ"\n[hub]\nendpoint = "http://127.0.0.1:9"\nsystem_id = "x"\n'
            f'secret = "file:password"\n[signing]\n{signing}',
            encoding="utf-8",
        )
        return path

    return write


def test_keys_are_listed_with_expiry_and_usage(edoc: Any, configure: Configure, tmp_path: Path) -> None:
    """Old, renewed and missing keys stand in a table, and what needs doing is said in both languages (Rollover)."""
    _keys("old", -350, 15).write_p12(tmp_path / "old.p12", password=PASSWORD)
    _keys("new", -1, 364).write_pem(tmp_path / "new.pem")
    config = configure('keys = ["p12:old.p12", "pem:new.pem", "pem:gone.pem"]\nsecret = "file:password"\n')
    ran = edoc("keys", "--config", config)
    assert ran.code == 0
    for words in ("old.p12", "signs / đang ký", "reserve / dự phòng", "364", "15", "digitalSignature", "Sở Nội vụ"):
        assert words in ran.out
    assert "cannot sign / không ký" in ran.out
    assert "gone.pem" in ran.err
    assert "không đọc được" in ran.err
    assert PASSWORD not in ran.out + ran.err


def test_the_json_has_everything(edoc: Any, configure: Configure, tmp_path: Path) -> None:
    """A program gets the same, one object a key."""
    keys = _keys("only", -1, 25)
    keys.write_pem(tmp_path / "only.pem")
    ran = edoc("keys", "--json", "--config", configure('key = "pem:only.pem?algorithm=ecdsa-sha512"\n'))
    (listed,) = json.loads(ran.out)
    assert ran.code == 0
    assert listed == {
        "key": f"pem:{tmp_path}/only.pem",
        "holder": "Sở Nội vụ",
        "issuer": "CN=Throwaway CA Issuing,O=Throwaway CA Issuing,C=VN",
        "serial": f"{keys.certificate.serial_number:x}",
        "sha256": listed["sha256"],
        "algorithm": "ecdsa-sha512",
        "not_before": keys.certificate.not_valid_before_utc.isoformat(),
        "not_after": keys.certificate.not_valid_after_utc.isoformat(),
        "days_left": 25,
        "usage": ["digitalSignature", "contentCommitment"],
        "signs": True,
        "succeeded": False,
        "warn_days": 30,
        "problem": None,
        "problem_vi": None,
    }
    assert len(listed["sha256"]) == 64


@pytest.mark.parametrize(("days", "words"), [(59, "(fewer than 60)"), (29, "(fewer than 30)"), (6, "(fewer than 7)")])
def test_expiry_is_warned_of(days: int, words: str, edoc: Any, configure: Configure, tmp_path: Path) -> None:
    """At 60, 30 and 7 days the command says so, in both languages (Rollover)."""
    _keys("ending", -10, days).write_pem(tmp_path / "key.pem")
    ran = edoc("keys", "--config", configure('key = "pem:key.pem"\n'))
    assert words in ran.err
    assert f"còn {days} ngày" in ran.err


def test_no_usable_key_is_a_failure(edoc: Any, configure: Configure, tmp_path: Path) -> None:
    """Exit code 1 where keys are configured and none can sign; the reason is told."""
    _keys("expired", -100, -2).write_pem(tmp_path / "key.pem")
    ran = edoc("keys", "--config", configure('key = "pem:key.pem"\n'))
    assert ran.code == 1
    assert "expired" in ran.err
    assert "đã hết hạn" in ran.err


def test_no_key_at_all_is_said(edoc: Any, configure: Configure) -> None:
    """Without a key packets go out unsigned, which is no failure."""
    ran = edoc("keys", "--config", configure(""))
    assert (ran.code, "unsigned" in ran.out, "không có chữ ký" in ran.out) == (0, True, True)
    assert json.loads(edoc("keys", "--json", "--config", configure("")).out) == []


def test_key_and_keys_exclude_each_other(edoc: Any, configure: Configure) -> None:
    """Two ways of naming keys at once is a mistake that is named (Configuration)."""
    ran = edoc("keys", "--config", configure('key = "pem:a"\nkeys = ["pem:b"]\n'))
    assert ran.code == 1
    assert "either key or keys" in ran.err


def test_a_key_on_a_token_is_listed(edoc: Any, configure: Configure, soft_token: SoftToken, tmp_path: Path) -> None:
    """The token is logged into with the PIN of the reference, and the key stands in the list without it."""
    (tmp_path / "pin").write_text(soft_token.pin)
    uri = soft_token.build_uri("agency-key", pin_source="file:pin")
    ran = edoc("keys", "--json", "--config", configure(f'key = "{uri}"\n'))
    (listed,) = json.loads(ran.out)
    assert (listed["key"], listed["signs"]) == ("pkcs11:token=edoc;object=agency-key", True)
    assert soft_token.pin not in ran.out + ran.err


def test_a_token_builds_a_packet(
    edoc: Any, soft_token: SoftToken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`edoc build` takes a key on a token, its PIN by the reference in the URI or by --key-password."""
    monkeypatch.chdir(tmp_path)
    Path("pin").write_text(soft_token.pin)
    agency_keys("Sở Nội vụ", organ_id="H29.05").write_root(Path("ca.pem"))
    Path("document.json").write_text(sample_document().model_dump_json(exclude={"attachments"}), encoding="utf-8")
    by_uri = ["--key", soft_token.build_uri("agency-key", pin_source="file:pin")]
    by_option = ["--key", soft_token.build_uri("p256-key"), "--key-password", "file:pin"]
    for key in (by_uri, by_option):
        assert edoc("build", "document.json", "--out", "a.edxml", *key).code == 0
        assert edoc("verify", "a.edxml").code == 4
        assert edoc("verify", "a.edxml", "--trust", "ca.pem").code == 0
    refused = edoc("build", "document.json", "--out", "b.edxml", "--key", soft_token.build_uri("p384-key"))
    assert (refused.code, Path("b.edxml").exists()) == (1, False)
    assert "PIN" in refused.err


def test_a_new_key_is_asked_for_and_the_old_one_names_it(edoc: Any, configure: Configure, tmp_path: Path) -> None:
    """Request and statement are written, nothing secret is shown, and a partner reads the statement (point 6)."""
    _keys("signs today", -1, 30).write_p12(tmp_path / "old.p12", password=PASSWORD)
    new = _keys("follows", -1, 30).key
    (tmp_path / "new.pem").write_bytes(new.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    config = configure('key = "p12:old.p12"\nsecret = "file:password"\n')
    ran = edoc(
        "keys", "request", "--config", config, "--key", "pem:new.pem", "--out", tmp_path / "new.csr",
        "--succession", tmp_path / "succession.json",
    )  # fmt: skip
    assert ran.code == 0
    assert "đã ghi" in ran.err
    assert PASSWORD not in ran.out + ran.err
    request = read_request(tmp_path / "new.csr")
    digest = fingerprint_key(new.public_key())
    assert digest in ran.err
    assert "Sở Nội vụ" in request.subject.rfc4514_string()
    checked = edoc("keys", "check", "--succession", tmp_path / "succession.json", "--json")
    assert (checked.code, json.loads(checked.out)["new_key_sha256"]) == (0, digest)
    shown = edoc("keys", "check", "--succession", tmp_path / "succession.json")
    assert "organizationIdentifier=H29.05" in shown.out.replace("\n", "")
    assert "2.5.4.97" not in shown.out
    assert digest[:20] in shown.out.replace("\n", "")
    assert "Hãy đối chiếu" in shown.err


@pytest.mark.parametrize("option", ["--out", "--succession"])
def test_a_request_replaces_no_file(edoc: Any, configure: Configure, tmp_path: Path, option: str) -> None:
    """What is there already, the key itself above all, stays; the error says what to do."""
    taken = tmp_path / "taken.pem"
    taken.write_text("a key")
    ran = edoc("keys", "request", "--config", configure(""), "--key", "pem:taken.pem", option, taken)
    assert (ran.code, taken.read_text()) == (1, "a key")
    assert "is there already" in ran.err


def test_a_request_of_the_key_that_signs(edoc: Any, configure: Configure, tmp_path: Path) -> None:
    """Without --key it is the only one of the settings, and the request goes to the output; a subject may be given."""
    _keys("only", -1, 30).write_pem(tmp_path / "only.pem")
    config = configure('key = "pem:only.pem"\n')
    ran = edoc("keys", "request", "--config", config, "--subject", "CN=Sở Nội vụ,O=UBND tỉnh,C=VN")
    assert ran.code == 0
    assert load_pem_x509_csr(ran.out.encode()).is_signature_valid
    none = edoc("keys", "request", "--config", configure(""), "--succession", tmp_path / "s")
    assert (none.code, "name the one" in none.err, "hãy chỉ khóa" in none.err) == (1, True, True)
    unnamed = edoc(
        "keys", "request", "--config", configure(""), "--key", "pem:only.pem", "--succession", tmp_path / "s"
    )
    assert "the key of before" in unnamed.err
    assert not (tmp_path / "s").exists()
    assert "the partner's file" in edoc("keys", "check").err


def _write_key(path: Path, keys: AgencyKeys) -> None:
    path.write_bytes(keys.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def test_a_certificate_that_came_is_joined_with_its_key(edoc: Any, configure: Configure, tmp_path: Path) -> None:
    """The file opens with the password of the settings, signs, brings its chain, and is for its user alone."""
    keys = _keys("joined", -1, 364)
    _write_key(tmp_path / "new.key", keys)
    for number, one in enumerate(keys.certificates):
        (tmp_path / f"{number}.crt").write_bytes(one.public_bytes(Encoding.DER if number else Encoding.PEM))
    config = configure('keys = ["p12:new.p12"]\nsecret = "file:password"\n')
    files = [part for number in (1, 0) for part in ("--certificate", tmp_path / f"{number}.crt")]
    ran = edoc("keys", "join", "-c", config, "--key", "pem:new.key", *files, "--out", tmp_path / "new.p12")
    assert ran.code == 0, ran.err
    assert PASSWORD not in ran.out + ran.err
    assert (tmp_path / "new.p12").stat().st_mode & 0o077 == 0
    (listed,) = json.loads(edoc("keys", "--json", "-c", config).out)
    assert (listed["signs"], listed["holder"], listed["problem"]) == (True, "Sở Nội vụ", None)
    store = pkcs12.load_pkcs12((tmp_path / "new.p12").read_bytes(), PASSWORD.encode())
    assert [one.certificate for one in store.additional_certs] == [keys.certificates[1]]
    again = edoc("keys", "join", "-c", config, "--key", "pem:new.key", *files, "--out", tmp_path / "new.p12")
    assert (again.code, "is there already" in again.err) == (1, True)


def test_a_certificate_of_another_key_is_not_joined(edoc: Any, configure: Configure, tmp_path: Path) -> None:
    """Nothing is written, and the error names the key's fingerprint and whose certificates there are."""
    keys, other = _keys("joined", -1, 364), _keys("another", -1, 364)
    _write_key(tmp_path / "new.key", keys)
    (tmp_path / "other.crt").write_bytes(other.certificate.public_bytes(Encoding.PEM))
    config = configure('secret = "file:password"\n')
    ran = edoc(
        "keys", "join", "-c", config, "--key", "pem:new.key", "--certificate", tmp_path / "other.crt",
        "--out", tmp_path / "new.p12",
    )  # fmt: skip
    assert (ran.code, (tmp_path / "new.p12").exists()) == (1, False)
    assert fingerprint_key(keys.key.public_key()) in ran.err
    assert "không chứng thư số nào là của khóa này" in ran.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "join needs"),
        (("--key", "pem:new.key", "--certificate", "new.crt", "--out", "new.p12"), "--password"),
        (
            ("--key", "pem:new.key", "--certificate", "new.crt", "--out", "n.p12", "--password", "hunter2"),
            "--password:",
        ),
        (("--key", "pem:new.key", "--certificate", "no.crt", "--out", "n.p12", "--password", "env:P12"), "no.crt"),
        (("--key", "pkcs11:token=x", "--certificate", "new.crt", "--out", "n.p12", "--password", "env:P12"), "token"),
    ],
)
def test_what_cannot_be_joined_is_said(
    edoc: Any, configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: Any, words: str
) -> None:
    """A missing option, a password in the arguments, a missing file and a token's key: told, and nothing written."""
    keys = _keys("joined", -1, 364)
    _write_key(tmp_path / "new.key", keys)
    (tmp_path / "new.crt").write_bytes(keys.certificate.public_bytes(Encoding.PEM))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("P12", PASSWORD)
    ran = edoc("keys", "join", "-c", configure(""), *options)
    assert ran.code in (1, 2)
    assert words in ran.err
    assert "hunter2" not in ran.out + ran.err
    assert not list(tmp_path.glob("*.p12"))
