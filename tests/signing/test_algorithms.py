"""The table of algorithms: each signs, verifies nothing else's values, and has one length."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from hypothesis import given, settings
from hypothesis import strategies as st

from edoc_connector.signing.algorithms import (
    FORBIDDEN_ALGORITHMS,
    SIGNATURE_BY_URI,
    SIGNATURES,
    SignatureAlgorithm,
    is_valid_signature,
    list_algorithms,
    raw_ecdsa,
    sign_with,
    signature_size,
)
from edoc_connector.testing.keys import make_throwaway_key

KINDS: tuple[Any, ...] = ("rsa", "rsa3072", "p256", "p384")


def _keys(kind: Any) -> Any:
    return make_throwaway_key(kind, "algorithms")


@pytest.mark.parametrize("kind", KINDS)
def test_every_algorithm_of_a_key_signs_and_no_other_verifies(kind: Any) -> None:
    """A value holds under its own algorithm and key only (XML Signature 1.1, 6.4; RFC 9231, 2.3)."""
    key = _keys(kind)
    for algorithm in list_algorithms(key):
        value = sign_with(key, algorithm, b"data")
        assert len(value) == signature_size(key.public_key())
        for other in SIGNATURES:
            assert is_valid_signature(key.public_key(), other, b"data", value) is (other == algorithm)
        for another in KINDS:
            assert is_valid_signature(_keys(another).public_key(), algorithm, b"data", value) is (another == kind)
        assert not is_valid_signature(key.public_key(), algorithm, b"other data", value)
        assert not is_valid_signature(key.public_key(), algorithm, b"data", value[:-1])


def test_pss_has_a_salt_as_long_as_the_hash() -> None:
    """RSA-PSS without parameters means MGF1 with the same hash and a salt of its length (RFC 9231, 2.3.10)."""
    key, digest = _keys("rsa"), hashes.SHA256()
    for salt, mask, expected in (
        (32, digest, True),
        (20, digest, False),
        (0, digest, False),
        (32, hashes.SHA1(), False),
    ):
        value = key.sign(b"data", padding.PSS(padding.MGF1(mask), salt), digest)
        assert is_valid_signature(key.public_key(), "rsa-pss-sha256", b"data", value) is expected


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=40), kind=st.sampled_from(["p256", "p384"]))
def test_ecdsa_values_always_have_one_length(data: bytes, kind: Any) -> None:
    """r and s keep their leading zeros, so a blank Signature has the final length whatever is signed."""
    key = _keys(kind)
    value = raw_ecdsa(key.sign(data, ec.ECDSA(hashes.SHA256())), key)
    assert len(value) == signature_size(key.public_key())
    assert is_valid_signature(key.public_key(), "ecdsa-sha256", data, value)


@pytest.mark.parametrize("value", [b"", b"\x30\x00", b"x" * 64], ids=["empty", "no numbers", "r‖s already"])
def test_what_is_no_der_is_no_ecdsa_value(value: bytes) -> None:
    """A value that is not DER, or of a larger curve, is refused as one."""
    with pytest.raises(ValueError):  # noqa: PT011 - the words are the library's
        raw_ecdsa(value, _keys("p256"))
    with pytest.raises(ValueError, match="another curve"):
        raw_ecdsa(_keys("p384").sign(b"x", ec.ECDSA(hashes.SHA256())), _keys("p256"))


def test_names_and_identifiers_are_one_to_one() -> None:
    """Each name has one identifier; none is also among those never accepted."""
    assert len(SIGNATURE_BY_URI) == len(SIGNATURES) == len(SignatureAlgorithm)
    assert set(SIGNATURES) == {one.value for one in SignatureAlgorithm}
    assert not FORBIDDEN_ALGORITHMS.keys() & SIGNATURE_BY_URI.keys()


def test_sha1_and_strange_keys_never_sign() -> None:
    """No key offers SHA-1; keys of other kinds offer nothing (What verifies must be what is read)."""
    offered = {algorithm for kind in KINDS for algorithm in list_algorithms(_keys(kind))}
    assert offered == {name for name, one in SIGNATURES.items() if one.digest != "sha1"}
    assert list_algorithms(make_throwaway_key("p521", "algorithms")) == ()
    assert list_algorithms("no key") == ()
