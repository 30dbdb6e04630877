"""Loading keys from PEM and PKCS#12 files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12

from ..._core import decode_text
from ...errors import SigningError, describe_system_error_vi
from ..algorithms import PrivateKey
from ..pki import hush_odd_serials, order_chain, read_certificates
from ..signer import Clock, LocalSigner, choose_algorithm, unusable_key_error
from .choice import choose_key
from .passwords import list_spellings
from .pkcs12_keys import decode_pkcs12, load_keys
from .uri import KeyUri, Secrets

_KEY_BLOCK = re.compile(rb"-----BEGIN ((?:RSA |EC |ENCRYPTED )?PRIVATE KEY)-----.*?-----END \1-----\s?", re.DOTALL)
_SEQUENCE = b"\x30"
_Opened = TypeVar("_Opened")


def load_pem(uri: KeyUri, secrets: Secrets, clock: Clock) -> LocalSigner:
    """Load a PEM key and its certificates.

    Raises:
        SigningError: the key cannot be loaded.
    """
    uri.refuse_other_attributes("cert", "secret", "algorithm", "fingerprint")
    data = read_key_file(uri.path)
    blocks = [found.group() for found in _KEY_BLOCK.finditer(_as_text(data))]
    if not blocks:
        raise _no_pem_key_error(uri.path, is_pkcs12=data.startswith(_SEQUENCE))
    keys = [_open_pem(uri, block, secrets) for block in blocks]
    return _build_signer(uri, keys, _load_all_certificates(uri.query.get("cert", (uri.path,))), (), clock)


def load_p12(uri: KeyUri, secrets: Secrets, clock: Clock) -> LocalSigner:
    """Load a PKCS#12 file; old (RC2, 3DES) and new (PBES2, AES) encryption alike.

    Raises:
        SigningError: the file cannot be loaded.
    """
    uri.refuse_other_attributes("cert", "secret", "algorithm", "fingerprint")
    data = decode_pkcs12(read_key_file(uri.path), uri)
    store, password = _open_p12(uri, data, secrets)
    found = [one.certificate for one in (store.cert, *store.additional_certs) if one is not None]
    named = _load_all_certificates(uri.query.get("cert", ()))
    if store.key is None or not (found or named):
        missing, vi = ("private key", "khóa riêng") if store.key is None else ("certificate", "chứng thư số")
        raise SigningError(
            f"{uri.path} holds no {missing}; export the key together with its certificate",
            vi=f"{uri.path} không có {vi}; hãy xuất khóa cùng với chứng thư số",
        )
    return _build_signer(uri, load_keys(data, store.key, password), named or found, found, clock)


def open_private_key(uri: KeyUri, secrets: Secrets) -> PrivateKey:
    """Open the private key of a PEM or PKCS#12 file, whether it has a certificate or not.

    Raises:
        SigningError: the file cannot be opened, holds no key or several, or one that cannot sign packets.
    """
    uri.refuse_other_attributes("cert", "secret", "algorithm", "fingerprint")
    data = read_key_file(uri.path)
    if uri.scheme == "p12":
        store, _ = _open_p12(uri, decode_pkcs12(data, uri), secrets)
        keys: list[object] = [] if store.key is None else [store.key]
    else:
        keys = [_open_pem(uri, found.group(), secrets) for found in _KEY_BLOCK.finditer(_as_text(data))]
    if len(keys) != 1:
        raise _not_one_key_error(uri.path, len(keys))
    (key,) = keys
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise unusable_key_error(key)
    return key


def load_certificates(path: str) -> list[x509.Certificate]:
    """Load the certificates of a file, in any of the forms that authorities hand out.

    Raises:
        SigningError: the file cannot be read, or holds no certificate.
    """
    try:
        return read_certificates(read_key_file(path))
    except ValueError as error:
        raise SigningError(
            f"{path} holds no certificate that can be read ({error}); name a PEM, DER or .p7b file of the key's "
            "certificate with cert=",
            vi=f"{path} không có chứng thư số đọc được ({error}); chỉ rõ tệp chứng thư số của khóa (PEM, DER, .p7b) "
            "bằng cert=",
        ) from error


def read_key_file(path: str) -> bytes:
    """Read a key or certificate file.

    Raises:
        SigningError: the file cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SigningError(
            f"cannot read {path}: {error.strerror}; check the path and its permissions",
            vi=f"không đọc được {path}: {describe_system_error_vi(error)}; kiểm tra đường dẫn và quyền truy cập",
        ) from error


def _as_text(data: bytes) -> bytes:
    try:
        return decode_text(data)
    except UnicodeDecodeError:
        return data  # no text, then


def _open_p12(uri: KeyUri, data: bytes, secrets: Secrets) -> tuple[pkcs12.PKCS12KeyAndCertificates, bytes | None]:
    """Open a file, and find the password that opened it."""
    try:
        return _load_p12(data, None)
    except ValueError:
        password = secrets(uri.secret_name)
    if password is None:
        raise _password_error(uri, has_password=False)
    return _try_spellings(uri, password, lambda spelling: _load_p12(data, spelling))


def _load_p12(data: bytes, password: bytes | None) -> tuple[pkcs12.PKCS12KeyAndCertificates, bytes | None]:
    with hush_odd_serials():
        return pkcs12.load_pkcs12(data, password), password


def _open_pem(uri: KeyUri, block: bytes, secrets: Secrets) -> object:
    try:
        return load_pem_private_key(block, None)
    except TypeError:
        password = secrets(uri.secret_name)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unreadable_key_error(uri.path, str(error)) from error
    if password is None:
        raise _password_error(uri, has_password=False)
    return _try_spellings(uri, password, lambda spelling: load_pem_private_key(block, spelling))


def _try_spellings(uri: KeyUri, password: str, open_with: Callable[[bytes], _Opened]) -> _Opened:
    """Try the spellings of a password in turn: a file, unlike a token, does not lock."""
    problem: Exception | None = None
    for spelling in list_spellings(password):
        try:
            return open_with(spelling.encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            problem = problem or error
    raise _password_error(uri, has_password=True) from problem


def _load_all_certificates(paths: Iterable[str]) -> list[x509.Certificate]:
    return [one for path in paths for one in load_certificates(path)]


def _build_signer(
    uri: KeyUri,
    keys: Sequence[object],
    certificates: Sequence[x509.Certificate],
    further: Sequence[x509.Certificate],
    clock: Clock,
) -> LocalSigner:
    """Build the signer of the key that the certificates choose; the further ones only lead towards a root."""
    usable: list[PrivateKey] = [one for one in keys if isinstance(one, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)]
    if not usable:
        raise unusable_key_error(keys[0])
    key, leaf = choose_key(uri, usable, certificates, clock())
    return LocalSigner(
        key=key,
        certificates=order_chain(leaf, [*certificates, *further]),
        algorithm=choose_algorithm(key, uri.algorithm),
        clock=clock,
    )


def _not_one_key_error(path: str, count: int) -> SigningError:
    return SigningError(
        f"{path} holds {count} private keys; name a file with the one that the certificate is for",
        vi=f"{path} có {count} khóa riêng; hãy chỉ tệp có đúng một khóa, là khóa cần đề nghị cấp chứng thư số",
    )


def _no_pem_key_error(path: str, *, is_pkcs12: bool) -> SigningError:
    if is_pkcs12:
        return SigningError(
            f"{path} is no PEM file; if it is a PKCS#12 file (.p12, .pfx), name it as p12:{path}",
            vi=f"{path} không phải tệp PEM; nếu là tệp PKCS#12 (.p12, .pfx), hãy ghi p12:{path}",
        )
    return SigningError(
        f"{path} holds no PEM private key; a key file begins with -----BEGIN PRIVATE KEY----- or similar",
        vi=f"{path} không chứa khóa riêng PEM; tệp khóa bắt đầu bằng -----BEGIN PRIVATE KEY----- hoặc tương tự",
    )


def _password_error(uri: KeyUri, *, has_password: bool) -> SigningError:
    if has_password:
        return SigningError(
            f"{uri.path} cannot be opened: the password is wrong or the file is damaged; check both",
            vi=f"không mở được {uri.path}: sai mật khẩu hoặc tệp bị hỏng; hãy kiểm tra lại cả hai",
        )
    return SigningError(
        f"{uri.path} cannot be opened without a password; provide it for '{uri.secret_name}' "
        "(--key-password of the command, [signing] secret of edoc.toml)",
        vi=f"{uri.path} không mở được nếu thiếu mật khẩu; hãy cung cấp mật khẩu cho '{uri.secret_name}' "
        "(tùy chọn --key-password của lệnh, hoặc secret ở mục [signing] của edoc.toml)",
    )


def _unreadable_key_error(path: str, why: str) -> SigningError:
    return SigningError(
        f"the key in {path} cannot be read ({why}); export it again",
        vi=f"không đọc được khóa trong {path} ({why}); hãy xuất lại",
    )
