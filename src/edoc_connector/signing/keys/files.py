"""Loading keys from PEM and PKCS#12 files."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12

from ...errors import SigningError, describe_system_error_vi
from ..pki import is_same_key, order_chain, read_certificates
from ..signer import Clock, LocalSigner, choose_algorithm, unusable_key_error
from .uri import KeyUri, Secrets

_KEY_BLOCK = re.compile(rb"-----BEGIN ((?:RSA |EC |ENCRYPTED )?PRIVATE KEY)-----.*?-----END \1-----\s?", re.DOTALL)


def load_pem(uri: KeyUri, secrets: Secrets, clock: Clock) -> LocalSigner:
    """Load a PEM key and its certificates.

    Raises:
        SigningError: the key cannot be loaded.
    """
    uri.refuse_other_attributes("cert", "secret", "algorithm")
    data = read_key_file(uri.path)
    block = _KEY_BLOCK.search(data)
    if block is None:
        raise SigningError(
            f"{uri.path} holds no PEM private key; a key file begins with -----BEGIN PRIVATE KEY----- or similar",
            vi=f"{uri.path} không chứa khóa riêng PEM; tệp khóa bắt đầu bằng -----BEGIN PRIVATE KEY----- hoặc tương tự",
        )
    key = _open_pem(uri, block.group(), secrets)
    certificates: list[x509.Certificate] = []
    for path in uri.query.get("cert", (uri.path,)):
        certificates += _load_certificates(path)
    return _build_signer(uri, key, certificates, clock)


def load_p12(uri: KeyUri, secrets: Secrets, clock: Clock) -> LocalSigner:
    """Load a PKCS#12 file; old (RC2, 3DES) and new (PBES2, AES) encryption alike.

    Raises:
        SigningError: the file cannot be loaded.
    """
    uri.refuse_other_attributes("secret", "algorithm")
    data = read_key_file(uri.path)
    store = _open_p12(uri, data, secrets)
    if store.key is None or store.cert is None:
        missing, vi = ("private key", "khóa riêng") if store.key is None else ("certificate", "chứng thư số")
        raise SigningError(
            f"{uri.path} holds no {missing}; export the key together with its certificate",
            vi=f"{uri.path} không có {vi}; hãy xuất khóa cùng với chứng thư số",
        )
    found = [store.cert.certificate, *(extra.certificate for extra in store.additional_certs)]
    return _build_signer(uri, store.key, found, clock)


def read_key_file(path: str) -> bytes:
    """Read a key or certificate file.

        Raises:
            SigningError: the file cannot be read.
    ----
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SigningError(
            f"cannot read {path}: {error.strerror}; check the path and its permissions",
            vi=f"không đọc được {path}: {describe_system_error_vi(error)}; kiểm tra đường dẫn và quyền truy cập",
        ) from error


def _open_p12(uri: KeyUri, data: bytes, secrets: Secrets) -> pkcs12.PKCS12KeyAndCertificates:
    with suppress(ValueError):
        return pkcs12.load_pkcs12(data, None)
    password = secrets(uri.secret_name)
    if password is None:
        raise _password_error(uri, has_password=False)
    try:
        return pkcs12.load_pkcs12(data, password.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _password_error(uri, has_password=True) from error


def _open_pem(uri: KeyUri, block: bytes, secrets: Secrets) -> object:
    try:
        return load_pem_private_key(block, None)
    except TypeError:
        password = secrets(uri.secret_name)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unreadable_key_error(uri.path, str(error)) from error
    if password is None:
        raise _password_error(uri, has_password=False)
    try:
        return load_pem_private_key(block, password.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _password_error(uri, has_password=True) from error


def _load_certificates(path: str) -> list[x509.Certificate]:
    try:
        return read_certificates(read_key_file(path))
    except ValueError as error:
        raise SigningError(
            f"{path} holds no certificate that can be read ({error}); name the certificate's file with ?cert=",
            vi=f"{path} không có chứng thư số đọc được ({error}); chỉ rõ tệp chứng thư số bằng ?cert=",
        ) from error


def _build_signer(uri: KeyUri, key: object, certificates: list[x509.Certificate], clock: Clock) -> LocalSigner:
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise unusable_key_error(key)
    public = key.public_key()
    own = [one for one in certificates if is_same_key(one.public_key(), public)]  # type: ignore[arg-type]  # any kind has the method
    if not own:
        raise SigningError(
            f"none of the certificates given is for the key in {uri.path}; name the right one",
            vi=f"không có chứng thư số nào tương ứng với khóa trong {uri.path}; hãy chỉ đúng chứng thư số",
        )
    # a renewed certificate may lie beside the old one for the same key: the newest counts
    leaf = max(own, key=lambda one: one.not_valid_after_utc)
    return LocalSigner(
        key=key,
        certificates=order_chain(leaf, certificates),
        algorithm=choose_algorithm(key, uri.algorithm),
        clock=clock,
    )


def _password_error(uri: KeyUri, *, has_password: bool) -> SigningError:
    if has_password:
        return SigningError(
            f"{uri.path} cannot be opened: the password is wrong or the file is damaged",
            vi=f"không mở được {uri.path}: sai mật khẩu hoặc tệp bị hỏng",
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
