"""Tokens that tell little, refuse searches, or are shared with other parts of the program: SoftHSM behind a module that
behaves so, made here from C."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pkcs11
import pytest

from edoc_connector.errors import SigningError
from edoc_connector.signing import load_signer
from edoc_connector.signing.algorithms import is_valid_signature
from edoc_connector.signing.keys.pkcs11 import TokenSigner
from edoc_connector.signing.keys.pkcs11_errors import library_error, token_error
from edoc_connector.testing.keys import agency_keys
from edoc_connector.testing.tokens import SoftToken

DATA = b"what is signed"
CLASS, LABEL, CERTIFICATE_TYPE, ID, MODULUS, ALWAYS_AUTHENTICATE = 0x0, 0x3, 0x80, 0x102, 0x120, 0x202

SHIM = r"""
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
typedef unsigned long ulong;
typedef struct { ulong type; void *value; ulong length; } attribute;
typedef struct { unsigned char version[2]; void *calls[68]; } functions;  /* PKCS#11 2.40, CK_FUNCTION_LIST */
enum { GET_FUNCTION_LIST = 3, GET_ATTRIBUTE_VALUE = 24, FIND_OBJECTS_INIT = 26, TYPE_INVALID = 0x12 };
static functions ours, *real;

static int listed(const char *variable, attribute *template, ulong count) {
  const char *list = getenv(variable);
  for (; list && *list; list = strchr(list, ',') ? strchr(list, ',') + 1 : "")
    for (ulong i = 0; i < count; i++)
      if (template[i].type == strtoul(list, 0, 10)) return 1;
  return 0;
}
static ulong get(ulong session, ulong object, attribute *template, ulong count) {
  ulong (*call)(ulong, ulong, attribute *, ulong) = real->calls[GET_ATTRIBUTE_VALUE];
  if (!listed("SHIM_HIDES", template, count)) return call(session, object, template, count);
  for (ulong i = 0; i < count; i++) template[i].length = (ulong)-1;
  return getenv("SHIM_ANSWER") ? strtoul(getenv("SHIM_ANSWER"), 0, 10) : TYPE_INVALID;
}
static ulong find(ulong session, attribute *template, ulong count) {
  if (listed("SHIM_REFUSES", template, count)) return TYPE_INVALID;
  return ((ulong (*)(ulong, attribute *, ulong))real->calls[FIND_OBJECTS_INIT])(session, template, count);
}
ulong C_GetFunctionList(functions **list) {
  void *library = dlopen(getenv("SHIM_MODULE"), RTLD_NOW);
  if (!library) return 5;
  ((ulong (*)(functions **))dlsym(library, "C_GetFunctionList"))(&real);
  ours = *real;
  ours.calls[GET_FUNCTION_LIST] = (void *)C_GetFunctionList;
  ours.calls[GET_ATTRIBUTE_VALUE] = (void *)get;
  ours.calls[FIND_OBJECTS_INIT] = (void *)find;
  *list = &ours;
  return 0;
}
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module in front of SoftHSM that hides and refuses what the environment tells it to."""
    compiler = shutil.which("cc")
    if compiler is None:
        if "CI" in os.environ:
            pytest.fail("cc is not installed")
        pytest.skip("no C compiler is installed")
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(SHIM)
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-w", "-o", folder / "shim.so", folder / "shim.c", "-ldl"], check=True
    )
    return folder / "shim.so"


@pytest.fixture
def load(shim: Path, soft_token: SoftToken, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., TokenSigner]]:
    """Loads a key of a token that hides and refuses attributes."""
    monkeypatch.setenv("SHIM_MODULE", soft_token.module)
    pkcs11.lib(soft_token.module)  # whoever comes first initialises SoftHSM; other tests count on being that
    signers: list[TokenSigner] = []

    def make(key: str, *, hides: tuple[int, ...] = (), refuses: tuple[int, ...] = (), **more: str) -> TokenSigner:
        monkeypatch.setenv("SHIM_HIDES", ",".join(map(str, hides)))
        monkeypatch.setenv("SHIM_REFUSES", ",".join(map(str, refuses)))
        uri = soft_token.build_uri(key, **more).replace(soft_token.module, str(shim))
        signer = load_signer(uri, secrets=lambda _name: soft_token.pin)
        assert isinstance(signer, TokenSigner)
        signers.append(signer)
        return signer

    yield make
    for signer in signers:
        signer.close()


def _holds(signer: TokenSigner) -> bool:
    key: Any = signer.certificates[0].public_key()
    return is_valid_signature(key, signer.algorithm, DATA, signer.sign(DATA))


def _expected(key: str) -> Any:
    kinds: Any = {"agency-key": "rsa", "p256-key": "p256", "p384-key": "p384"}
    return agency_keys("Sở Nội vụ", organ_id="H29.05", kind=kinds[key]).certificate


@pytest.mark.parametrize("key", ["agency-key", "p256-key", "p384-key"])
@pytest.mark.parametrize(
    "hides",
    [(), (MODULUS,), (ID,), (MODULUS, ID), (ID, ALWAYS_AUTHENTICATE)],
    ids=["nothing", "modulus", "id", "modulus and id", "id and always-authenticate"],
)
def test_a_token_that_hides_modulus_or_id_signs(hides: tuple[int, ...], key: str, load: Any) -> None:
    """Where the token does not tell which certificate is the key's, a trial signature does."""
    signer = load(key, hides=hides)
    assert signer.certificates[0] == _expected(key)
    assert _holds(signer)


@pytest.mark.parametrize("answer", [0x11, 0x6, 0x5], ids=["sensitive", "function failed", "general error"])
def test_each_way_of_hiding_is_the_same(answer: int, load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token may say that an attribute is sensitive, that the call failed, or nothing at all."""
    monkeypatch.setenv("SHIM_ANSWER", str(answer))
    signer = load("agency-key", hides=(MODULUS, ID))
    assert signer.certificates[0] == _expected("agency-key")
    assert _holds(signer)


# python-pkcs11 ends the search that the token refused to begin, and Python tells that nobody heard the second refusal
@pytest.mark.filterwarnings("ignore:Exception ignored in. 'pkcs11:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("key", ["agency-key", "p256-key"])
@pytest.mark.parametrize(
    "refuses",
    [(CERTIFICATE_TYPE,), (LABEL,), (CLASS,), (CLASS, LABEL, CERTIFICATE_TYPE)],
    ids=["certificate type", "label", "class", "all"],
)
def test_a_token_that_refuses_a_search_signs(refuses: tuple[int, ...], key: str, load: Any) -> None:
    """What the token refuses to search by is looked for among all its objects."""
    signer = load(key, refuses=refuses)
    assert signer.certificates[0] == _expected(key)
    assert _holds(signer)


def test_keys_are_listed_without_their_ids(load: Any) -> None:
    """A key that is not there is told with those that are, also where the token hides ids."""
    with pytest.raises(SigningError, match=r"On the token: .*object=agency-key") as caught:
        load("no-such-key", hides=(ID,)).sign(DATA)
    assert "id=" not in caught.value.message.partition("On the token")[2]


def test_a_certificate_in_a_file_is_proved_by_a_signature(load: Any, tmp_path: Path) -> None:
    """A named certificate of another EC key is refused, which its key's type alone does not tell."""
    stranger = agency_keys("Sở Tài chính", organ_id="H29.06", kind="p256")
    own = agency_keys("Sở Nội vụ", organ_id="H29.05", kind="p256")
    for keys, fits in ((own, True), (stranger, False)):
        keys.write_pem(tmp_path / "chain.pem")
        signer = load("p256-key", cert=str(tmp_path / "chain.pem"))
        if fits:
            assert _holds(signer)
        else:
            with pytest.raises(SigningError, match="no certificate"):
                signer.sign(DATA)


SHARED = """
import ctypes, sys
from edoc_connector.signing import load_signer
from edoc_connector.signing.algorithms import is_valid_signature
module, uri, pin, case = sys.argv[1:]
other = ctypes.CDLL(module)
assert other.C_Initialize(None) == 0
if "logged in" in case:
    slots, count, session = (ctypes.c_ulong * 9)(), ctypes.c_ulong(9), ctypes.c_ulong()
    assert other.C_GetSlotList(1, slots, ctypes.byref(count)) == 0
    assert other.C_OpenSession(slots[0], 4, None, None, ctypes.byref(session)) == 0
    assert other.C_Login(session, 1, pin.encode(), len(pin)) == 0
signer = load_signer(uri, secrets=lambda _name: pin)
def holds():
    certificate = signer.certificates[0]
    return is_valid_signature(certificate.public_key(), signer.algorithm, b"x", signer.sign(b"x"))
assert holds()
if "ended" in case:
    assert other.C_Finalize(None) == 0
    assert holds()
signer.close()
if "ended" in case:
    assert holds()
print("signed")
"""


@pytest.mark.parametrize("case", ["initialised", "logged in", "initialised, then ended", "logged in, then ended"])
def test_a_library_that_another_part_of_the_program_uses(case: str, soft_token: SoftToken) -> None:
    """A library that others have initialised, logged in to or ended signs all the same (PKCS#11 2.40, 5.4)."""
    arguments = [soft_token.module, soft_token.build_uri("agency-key"), soft_token.pin, case]
    done = subprocess.run([sys.executable, "-c", SHARED, *arguments], capture_output=True, text=True, check=False)
    assert done.stdout == "signed\n", done.stderr


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        (pkcs11.AnotherUserAlreadyLoggedIn, "administrator"),
        (pkcs11.UserPinNotInitialized, "never set"),
        (pkcs11.PinExpired, "changed first"),
        (pkcs11.SessionCount, "other programs"),
        (pkcs11.MechanismInvalid, "algorithm="),
        (pkcs11.TokenNotRecognised, "vendor"),
        (pkcs11.FunctionNotSupported, "newer driver"),
        (pkcs11.GeneralError, "plugged in"),
    ],
)
def test_the_advice_fits_the_answer(kind: Any, advice: str) -> None:
    """Each answer of a token has advice of its own, not only to plug it in."""
    error = token_error(kind(), "pkcs11:token=x")
    assert advice in error.message
    assert error.vi != error.message


def test_a_library_that_does_not_load_is_explained(tmp_path: Path) -> None:
    """A driver of another machine, a file that is none, and a missing part of the driver are told apart."""
    (tmp_path / "text.so").write_bytes(b"not a library" * 100)
    uri = f"pkcs11:token=x;object=y?module-path={tmp_path}/text.so"
    with pytest.raises(SigningError, match="no library of this operating system"):
        load_signer(uri, secrets=lambda _name: "1").sign(DATA)
    with pytest.raises(SigningError, match="correct module-path"):
        load_signer(uri.replace("text.so", "gone.so"), secrets=lambda _name: "1").sign(DATA)
    loading = "OS exception while loading /opt/token.so: libpcsclite.so.1: cannot open shared object file: No such file"
    assert "needs the library libpcsclite.so.1" in library_error(pkcs11.PKCS11Error(loading), "/opt/token.so").message
    wrong = "OS exception while loading /opt/token.so: /opt/token.so: wrong ELF class: ELFCLASS32"
    assert "32 or 64 bits" in library_error(pkcs11.PKCS11Error(wrong), "/opt/token.so").message
