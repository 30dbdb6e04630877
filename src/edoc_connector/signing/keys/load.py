"""Loading the signer that a key URI names, by the URI's scheme."""

from __future__ import annotations

from collections.abc import Callable

from ..._core import utc_now
from ...errors import SigningError
from ..signer import Clock, Signer
from .files import load_p12, load_pem
from .pkcs11 import load_token
from .uri import KeyUri, Secrets

Loader = Callable[[KeyUri, Secrets, Clock], Signer]
"""Makes the signer of a URI."""

LOADERS: dict[str, Loader] = {"pem": load_pem, "p12": load_p12, "pkcs11": load_token}
"""The schemes and their loaders."""


def load_signer(uri: str, *, secrets: Secrets | None = None, clock: Clock = utc_now) -> Signer:
    """Load a signer named by a URI.

    ``pem:KEY[?cert=FILE][&secret=REF]``
        a PEM private key (PKCS#8, encrypted or not, or the traditional form). ``cert`` names the file with its
        certificate and those above it; left out, they are in the key's own file. May be given more than once.
    ``p12:FILE[?secret=REF]``
        a PKCS#12 file.
    ``pkcs11:token=LABEL;object=LABEL?module-path=FILE[&pin-source=REF][&cert=FILE]``
        a key on a token (RFC 7512). It needs the extra ``pkcs11``; the token is not touched before it is used.

    ``algorithm`` chooses the signature algorithm where the key has several, e.g. ``rsa-sha512``, ``rsa-pss-sha256``.
    Paths are percent-decoded, and relative to the working directory.

    Args:
        uri: the URI. Never put a password in it.
        secrets: gives the password or PIN. It is called only where one is needed, with the text of ``secret`` or
            ``pin-source`` (for example ``env:EDOC_KEY_PASSWORD``) or, where the URI has none, with the URI's scheme
            and path.
        clock: gives the moment the certificate must be valid at when it signs.

    Raises:
        SigningError: the key cannot be loaded; the message says why and what to do, and holds no secret.
    """
    parsed = KeyUri.parse(uri)
    loader = LOADERS.get(parsed.scheme)
    if loader is None:
        known_schemes = ", ".join(sorted(LOADERS))
        raise SigningError(
            f"no signer for '{parsed.scheme}:'; the known kinds are {known_schemes}",
            vi=f"không có loại khóa '{parsed.scheme}:'; các loại hiện có là {known_schemes}",
        )
    return loader(parsed, secrets or _find_no_secret, clock)


def _find_no_secret(_name: str) -> str | None:
    return None
