"""Keys on a real token (SoftHSM2): signing, refusals, and that a PIN is tried once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from edoc_connector import edxml
from edoc_connector.errors import SigningError
from edoc_connector.signing import KeyUri, Signer, VerifyPolicy, enveloped, load_signer, seal_maker, verify
from edoc_connector.signing.algorithms import SIGNATURES, is_valid_signature
from edoc_connector.signing.keys.pkcs11 import TokenSigner, prepare_input
from edoc_connector.signing.keys.pkcs11_session import TokenUri, refuse_risky_login
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import Kind, agency_keys
from edoc_connector.testing.tokens import SoftToken

DATA = b"what is signed"
KINDS: dict[str, Kind] = {"agency-key": "rsa", "p256-key": "p256", "p384-key": "p384"}
ALGORITHMS = [
    ("agency-key", "rsa-sha256"),
    ("agency-key", "rsa-sha384"),
    ("agency-key", "rsa-sha512"),
    ("agency-key", "rsa-pss-sha256"),
    ("agency-key", "rsa-pss-sha384"),
    ("agency-key", "rsa-pss-sha512"),
    ("p256-key", "ecdsa-sha256"),
    ("p384-key", "ecdsa-sha384"),
]


@pytest.fixture
def load(soft_token: SoftToken) -> Iterator[Any]:
    """Loads a key of the token with the right PIN, and closes it at the end."""
    signers = []

    def make(key: str = "", *, uri: str = "", pin: Any = lambda _name: soft_token.pin, **query: str) -> TokenSigner:
        signer = load_signer(uri or soft_token.build_uri(key, **query), secrets=pin)
        assert isinstance(signer, TokenSigner)
        signers.append(signer)
        return signer

    yield make
    for signer in signers:
        signer.close()


def _holds(signer: Signer, data: bytes = DATA) -> bool:
    key: Any = signer.certificates[0].public_key()
    return is_valid_signature(key, signer.algorithm, data, signer.sign(data))


@pytest.mark.parametrize(("key", "algorithm"), ALGORITHMS, ids=[algorithm for _, algorithm in ALGORITHMS])
def test_a_packet_signed_on_the_token_verifies(key: str, algorithm: str, load: Any, tmp_path: Path) -> None:
    """Packet signature and seal made on a token hold in both verifiers, by every algorithm."""
    signer = load(key, algorithm=algorithm)
    at, packet, document = datetime.now(UTC), tmp_path / "packet.edxml", sample_document()
    seal = seal_maker(document, signer=signer, at=at)
    edxml.write(document, packet, at=at, signature=enveloped(signer), seal=seal)
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05", kind=KINDS[key])
    verification = verify(edxml.read(packet), VerifyPolicy(anchors=(keys.root,)))
    assert (verification.reason, verification.trusted) == ("SIG-OK", True), verification.explanation
    assert verification.certificate == keys.certificate
    assert algorithm in verification.algorithms
    assert verification.findings == ()


@pytest.mark.parametrize("key", KINDS)
def test_xmlsec1_verifies_what_the_token_signed(key: str, load: Any, tmp_path: Path) -> None:
    """The command xmlsec1 verifies a packet signed on a token, and not a changed one."""
    if shutil.which("xmlsec1") is None and "CI" not in os.environ:
        pytest.skip("the xmlsec1 command is not installed")
    packet, root = tmp_path / "packet.edxml", tmp_path / "root.pem"
    edxml.write(sample_document(), packet, at=datetime.now(UTC), signature=enveloped(load(key)))
    agency_keys("Sở Nội vụ", organ_id="H29.05", kind=KINDS[key]).write_root(root)

    def verified() -> bool:
        command = ["xmlsec1", "--verify", "--enabled-key-data", "x509", "--trusted-pem", root, packet]
        return subprocess.run([*map(str, command)], capture_output=True, check=False).returncode == 0

    assert verified()
    packet.write_bytes(packet.read_bytes().replace("Giám đốc".encode(), "Bộ trưởng".encode()))
    assert not verified()


@pytest.mark.parametrize(("key", "algorithm"), ALGORITHMS, ids=[algorithm for _, algorithm in ALGORITHMS])
def test_a_token_that_does_not_hash_signs_too(key: str, algorithm: str, load: Any) -> None:
    """Where the token has only the bare mechanism, the hash is made here and the signature is as good (RFC 8017, 9)."""
    signer = load(key, algorithm=algorithm)
    bare = frozenset({pkcs11.Mechanism.RSA_PKCS, pkcs11.Mechanism.RSA_PKCS_PSS, pkcs11.Mechanism.ECDSA})
    mechanism, parameter, prepared = prepare_input(algorithm, DATA, bare)
    value = signer._ensure_open().key.sign(prepared, mechanism=mechanism, mechanism_param=parameter)
    public: Any = signer.certificates[0].public_key()
    assert is_valid_signature(public, algorithm, DATA, value)
    with pytest.raises(SigningError, match="cannot sign with"):
        prepare_input(algorithm, DATA, frozenset())


def test_the_token_is_touched_when_needed_and_closed(load: Any, soft_token: SoftToken) -> None:
    """Loading asks no PIN; the first use asks once; after closing, the next use asks again (Signers)."""
    asked: list[str] = []

    def pin(name: str) -> str:
        asked.append(name)
        return soft_token.pin

    signer = load("agency-key", pin=pin, pin_source="env:TOKEN_PIN")
    assert asked == []
    assert (signer.days_left, signer.key_usage) == (364, ("digitalSignature", "contentCommitment"))
    assert _holds(signer)
    assert asked == ["env:TOKEN_PIN"]
    with signer:
        assert _holds(signer)
    signer.close()
    assert _holds(signer)
    assert asked == ["env:TOKEN_PIN"] * 2


def test_the_pin_is_asked_for_by_the_uri_where_it_names_no_source(load: Any, soft_token: SoftToken) -> None:
    """Without pin-source the callback gets the URI without its query."""
    asked: list[str] = []

    def give_pin(name: str) -> str:
        asked.append(name)
        return soft_token.pin

    signer = load("agency-key", pin=give_pin)
    assert _holds(signer)
    assert asked == ["pkcs11:token=edoc;object=agency-key"]


def test_keys_are_chosen_by_label_id_serial_or_alone(load: Any, soft_token: SoftToken) -> None:
    """Attributes of RFC 7512 choose token and key; ids are percent-encoded octets."""
    signer = load("agency-key")
    token = signer._ensure_open().connection.session.token
    query = f"?module-path={soft_token.module}"
    for path in (
        "object=agency-key",
        "id=%A1",
        "token=edoc;id=%a1;type=private",
        f"serial={token.serial.decode()};object=agency%2Dkey",
        f"manufacturer=SoftHSM%20project;model=SoftHSM%20v2;slot-id={token.slot.slot_id};id=%A1",
    ):
        assert load(uri=f"pkcs11:{path}{query}").certificates == signer.certificates, path


def test_the_certificate_may_be_in_a_file(load: Any, tmp_path: Path) -> None:
    """A key without certificate on the token signs with the one of ``cert=``; another key's is refused."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05", kind="rsa3072")
    pem = tmp_path / "agency.pem"
    pem.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in reversed(keys.certificates[:-1])))
    signer = load("bare-key", cert=str(pem))
    assert signer.certificates == keys.certificates[:-1]
    assert _holds(signer)
    for key in ("agency-key", "p256-key"):
        with pytest.raises(SigningError, match="no certificate"):
            load(key, cert=str(pem)).sign(DATA)
    with pytest.raises(SigningError, match="bare-key"):
        load("bare-key").sign(DATA)
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(SigningError, match="no certificate"):
        load("bare-key", cert=str(tmp_path / "empty.pem"))


def test_threads_share_a_signer_and_signers_share_a_token(load: Any) -> None:
    """Eight threads over three keys of one token, which has one login, sign side by side."""
    signers = [load(key) for key in KINDS]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: _holds(signers[n % 3], b"data %d" % n), range(48)))
    assert results == [True] * 48
    signers[0].close()
    assert _holds(signers[1])


def test_a_session_that_was_lost_is_opened_again(load: Any) -> None:
    """After the token was pulled out, or another part of the program logged out, the next signature logs in anew."""
    first, second = load("agency-key"), load("p256-key")
    assert _holds(first)
    assert _holds(second)
    first._ensure_open().connection.session.close()
    assert _holds(first)
    assert _holds(second)
    second._ensure_open().connection.session.close()
    third = load("p384-key")
    assert _holds(third)
    assert _holds(second)


def test_a_session_that_was_logged_out_is_opened_again(load: Any, soft_token: SoftToken) -> None:
    """A login that another part of the program made and ended is made anew, for keys in use and for new ones."""
    token = next(iter(pkcs11.lib(soft_token.module).get_tokens(token_label="edoc")))
    for again in ("agency-key", "p256-key"):
        with token.open(user_pin=soft_token.pin):
            first = load("agency-key")
            assert _holds(first)
        assert _holds(load(again) if again != "agency-key" else first)
        first.close()


def test_a_login_of_another_part_of_the_program_is_used(load: Any, soft_token: SoftToken) -> None:
    """Where the program is logged in already, as by another library, the key works without a login of its own."""
    token = next(iter(pkcs11.lib(soft_token.module).get_tokens(token_label="edoc")))
    with token.open(user_pin=soft_token.pin):
        assert _holds(load("agency-key"))


def test_a_key_that_wants_its_pin_each_time_gets_it(load: Any, soft_token: SoftToken) -> None:
    """A key with CKA_ALWAYS_AUTHENTICATE, as for qualified signatures, is given the PIN for every signature."""
    pins = [soft_token.pin] * 3 + ["55555"] * 2
    signer = load("careful-key", pin=lambda _name: pins.pop(0))
    assert [_holds(signer), _holds(signer)] == [True, True]
    with pytest.raises(SigningError, match="may lock"):
        signer.sign(DATA)
    with pytest.raises(SigningError, match="not tried again"):
        signer.sign(DATA)
    assert pins == []


def test_what_a_token_refuses_to_do_is_named(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a token answers instead of signing is one SigningError that names it, in both languages."""
    module = sys.modules[TokenSigner.__module__]
    monkeypatch.setattr(module, "prepare_input", lambda *_arguments: (pkcs11.Mechanism.ECDSA, None, DATA))
    with pytest.raises(SigningError, match=r"answered \w+") as error:
        load("agency-key").sign(DATA)
    assert isinstance(error.value.__cause__, pkcs11.PKCS11Error)
    assert type(error.value.__cause__).__name__ in error.value.vi


def test_a_damaged_certificate_on_the_token_is_left_out(
    load: Any, soft_token: SoftToken, caplog: pytest.LogCaptureFixture
) -> None:
    """A certificate that cannot be read is no obstacle to the key beside it; the log tells of it."""
    attributes = pkcs11.Attribute
    token = next(iter(pkcs11.lib(soft_token.module).get_tokens(token_label="edoc")))
    with token.open(rw=True, user_pin=soft_token.pin) as session:
        damaged = session.create_object(
            {
                attributes.CLASS: pkcs11.ObjectClass.CERTIFICATE,
                attributes.CERTIFICATE_TYPE: pkcs11.CertificateType.X_509,
                attributes.SUBJECT: b"x",
                attributes.VALUE: b"no certificate",
                attributes.ID: b"\xee",
            }
        )
        assert _holds(load("agency-key"))
        damaged.destroy()
    assert "left out" in caplog.text


def test_an_unfit_certificate_refuses_to_sign(load: Any, soft_token: SoftToken) -> None:
    """The token's key refuses as a file's does when its certificate is not valid (Signers)."""
    later = datetime.now(UTC) + timedelta(days=800)
    signer = load_signer(soft_token.build_uri("agency-key"), secrets=lambda _: soft_token.pin, clock=lambda: later)
    with pytest.raises(SigningError, match="expired"):
        signer.sign(DATA)
    signer.close()  # type: ignore[attr-defined]  # it is a TokenSigner


WRONG: dict[str, tuple[str, str]] = {
    "token absent": ("pkcs11:token=gone;object=agency-key?module-path={module}", "Present: edoc"),
    "object not found": ("pkcs11:token=edoc;object=gone?module-path={module}", "object=agency-key id=%A1"),
    "id not found": ("pkcs11:token=edoc;id=%FF?module-path={module}", "no private key"),
    "several objects": ("pkcs11:token=edoc;object=twin?module-path={module}", "object=twin id=%B1"),
    "several, nothing said": ("pkcs11:token=edoc?module-path={module}", "several private keys"),
    "no library": ("pkcs11:token=edoc?module-path=/nowhere/library.so", "driver"),
    "no module": ("pkcs11:token=edoc;object=agency-key", "module-path"),
    "attribute unknown": ("pkcs11:token=edoc?module-path={module}&slot=1", "slot"),
    "path attribute unknown": ("pkcs11:tokn=edoc?module-path={module}", "tokn"),
    "a public key": ("pkcs11:token=edoc;type=public?module-path={module}", "type"),
    "PIN in the URI": ("pkcs11:token=edoc?module-path={module}&pin-value={pin}", "pin-source"),
    "PIN in the path": ("pkcs11:token=edoc;pin-value={pin}?module-path={module}", "pin-source"),
    "algorithm of another kind": ("pkcs11:object=p256-key?module-path={module}&algorithm=rsa-sha256", "ecdsa-sha256"),
    "SHA-1": ("pkcs11:object=agency-key?module-path={module}&algorithm=rsa-sha1", "rsa-sha256"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_key_that_is_not_there_says_what_is(case: str, load: Any, soft_token: SoftToken) -> None:
    """Token absent, object not found, several found: each says what to correct, in both languages, and no PIN."""
    uri, words = WRONG[case]
    with pytest.raises(SigningError) as error:
        load(uri=uri.format(module=soft_token.module, pin=soft_token.pin)).sign(DATA)
    assert words in error.value.message
    assert error.value.vi
    assert soft_token.pin not in "".join(traceback.format_exception(error.value))


def test_several_tokens_ask_for_the_serial_number(tmp_path: Path) -> None:
    """Two tokens of one label are told apart by their serial numbers (RFC 7512, 2.3)."""
    if SoftToken.find_missing_tools() and "CI" not in os.environ:
        pytest.skip("SoftHSM2 is not installed")
    tokens = [SoftToken.create(tmp_path, label="same") for _ in range(2)]
    code = f"""
import re
from edoc_connector.errors import SigningError
from edoc_connector.signing import load_signer
uri = {tokens[0].build_uri()!r}
try:
    load_signer(uri, secrets=lambda _: {tokens[0].pin!r}).sign(b"x")
except SigningError as error:
    print(error.message)
    serial = re.findall("serial ([0-9a-f]+)", error.message)[0]
try:
    load_signer(uri.replace("token=same", "serial=" + serial), secrets=lambda _: {tokens[0].pin!r}).sign(b"x")
except SigningError as error:
    print(error.message)
"""
    lines = _python(code, SOFTHSM2_CONF=str(tokens[0].configuration)).splitlines()
    assert "several tokens" in lines[0]
    assert "no private key" in lines[1]


def _python(code: str, **environment: str) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


SPY = next((path for path in Path("/usr/lib").rglob("pkcs11-spy.so")), None)


def test_a_wrong_pin_reaches_the_token_once(soft_token: SoftToken, tmp_path: Path) -> None:
    """However often a wrong PIN is used, the token sees it once; the right one is then tried (building blocks, Tokens).

    OpenSC's spy stands between us and the token and writes down every call.
    """
    if SPY is None and "CI" not in os.environ:
        pytest.skip("OpenSC's pkcs11-spy is not installed")
    assert SPY is not None
    code = f"""
from edoc_connector.errors import SigningError
from edoc_connector.signing import load_signer
uri = {soft_token.build_uri("agency-key").replace(soft_token.module, str(SPY))!r}
for pin in ("000000", "000000", "000000", {soft_token.pin!r}, "000000"):
    signer = load_signer(uri, secrets=lambda _: pin)
    try:
        signer.sign(b"x")
        print("signed")
    except SigningError as error:
        print(error.message)
    if pin != "000000":
        signer.close()
"""
    spied = tmp_path / "spy.log"
    environment = {"PKCS11SPY": soft_token.module, "PKCS11SPY_OUTPUT": str(spied)}
    lines = _python(code, SOFTHSM2_CONF=str(soft_token.configuration), **environment).splitlines()
    assert "may lock" in lines[0]
    assert [("not tried again" in line, line == "signed") for line in lines[1:]] == [
        (True, False),
        (True, False),
        (False, True),
        (True, False),
    ]
    assert spied.read_text().count("C_Login\n") == 2
    assert "000000" not in "".join(lines)
    assert soft_token.pin not in "".join(lines)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_opens_a_session_of_its_own(soft_token: SoftToken, tmp_path: Path) -> None:
    """A child initialises the library and logs in anew, and the parent's session lives on (PKCS#11 v2.40, 5.4)."""
    if SPY is None and "CI" not in os.environ:
        pytest.skip("OpenSC's pkcs11-spy is not installed")
    assert SPY is not None
    code = f"""
import os
from edoc_connector.signing import load_signer
from edoc_connector.signing.algorithms import is_valid_signature
uri = {soft_token.build_uri("agency-key").replace(soft_token.module, str(SPY))!r}
signer = load_signer(uri, secrets=lambda _: {soft_token.pin!r})
def holds():
    value = signer.sign(b"x")
    return is_valid_signature(signer.certificates[0].public_key(), signer.algorithm, b"x", value)
assert holds()
child = os.fork()
if child == 0:
    os._exit(0 if holds() else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert holds()
signer.close()
print("signed")
"""
    spied = tmp_path / "spy.log"
    environment = {"PKCS11SPY": soft_token.module, "PKCS11SPY_OUTPUT": str(spied)}
    assert _python(code, SOFTHSM2_CONF=str(soft_token.configuration), **environment) == "signed\n"
    assert spied.read_text().count("C_Initialize\n") == 2
    assert spied.read_text().count("C_Login\n") == 2


@pytest.mark.parametrize("pin", [None, ""], ids=["none", "empty"])
def test_a_missing_pin_is_not_tried(pin: str | None, load: Any) -> None:
    """No PIN, or an empty one, is an error that says where to put it; the token sees nothing."""
    with pytest.raises(SigningError, match="pin-source") as error:
        load("agency-key", pin=lambda _name: pin).sign(DATA)
    assert "PIN" in error.value.vi


@pytest.mark.parametrize("flag", ["USER_PIN_FINAL_TRY", "USER_PIN_LOCKED"])
def test_a_token_about_to_lock_gets_no_pin(flag: str, soft_token: SoftToken) -> None:
    """A token that is locked, or would be at the next wrong PIN, is left alone (building blocks: tokens lock)."""
    uri = TokenUri.parse(KeyUri.parse(soft_token.build_uri("agency-key")))
    with pytest.raises(SigningError, match="lock"):
        refuse_risky_login(pkcs11.TokenFlag[flag], uri)
    refuse_risky_login(pkcs11.TokenFlag.USER_PIN_COUNT_LOW, uri)


def test_the_extra_is_asked_for_with_its_install_line() -> None:
    """Without python-pkcs11, loading the key says which line installs it; importing the package needs none of it."""
    code = """
import sys
sys.modules["pkcs11"] = None
from edoc_connector.errors import SigningError
from edoc_connector.signing import load_signer
try:
    load_signer("pkcs11:token=edoc?module-path=/x.so")
except SigningError as error:
    print(error.message)
"""
    assert "pip install 'edoc-connector[pkcs11]'" in _python(code)


def test_the_example_signs_with_the_token(soft_token: SoftToken, tmp_path: Path) -> None:
    """The example writes a packet that verifies, with the PIN from the environment."""
    document = sample_document()
    (tmp_path / "document.json").write_text(document.model_dump_json(exclude={"attachments"}), encoding="utf-8")
    (tmp_path / "cong-van.pdf").write_bytes(b"%PDF-1.4")
    example = Path(__file__).parents[3] / "examples" / "sign_with_token.py"
    files = [tmp_path / name for name in ("document.json", "signed.edxml", "cong-van.pdf")]
    done = subprocess.run(
        [sys.executable, str(example), soft_token.build_uri("agency-key"), *map(str, files)],
        env={**os.environ, "EDOC_TOKEN_PIN": soft_token.pin, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "rsa-sha256, 364 days left, for digitalSignature, contentCommitment",
        "VALID by Sở Nội vụ",
    ]
    packet = edxml.read(files[1])
    assert [one.name for one in packet.attachments] == ["cong-van.pdf", edxml.SEAL_NAME]


def test_nothing_tells_the_pin(load: Any, soft_token: SoftToken, caplog: pytest.LogCaptureFixture) -> None:
    """Neither repr nor log of a signer holds the PIN, whether it was right or wrong."""
    caplog.set_level("DEBUG")
    signer = load("agency-key")
    assert _holds(signer)
    signer.close()
    wrong = str(8246801357)
    with pytest.raises(SigningError) as error:
        load("agency-key", pin=lambda _name: wrong).sign(DATA)
    told = caplog.text + repr(signer) + repr(signer._uri) + "".join(traceback.format_exception(error.value))
    assert "session opened" in caplog.text
    assert soft_token.pin not in told
    assert wrong not in told


def test_every_algorithm_of_a_token_is_one_of_ours() -> None:
    """The algorithms tried above are all those that sign."""
    strong = {name for name, one in SIGNATURES.items() if one.digest != "sha1"}
    assert {algorithm for _, algorithm in ALGORITHMS} == strong - {"ecdsa-sha512"}
