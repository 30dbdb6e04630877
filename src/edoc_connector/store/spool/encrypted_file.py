"""Encryption of packets at rest: AES-256-GCM in chunks by the STREAM construction, with a key of its own per file.

The format is described in docs/spool.md. Each chunk's nonce holds its number and whether it is the last one, and each
chunk is bound to the file's header and name: a file that was cut, continued, put in another order or exchanged with
another one does not decrypt.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import IO, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..._core import open_file
from ...errors import ConfigError, StoreError

CHUNK_BITS = 16
MAX_CHUNK_BITS = 24
KEY_SIZE = 32
TAG_SIZE = 16
_MAGIC = b"edocspl\x00"
_VERSION = 1
_KEY_ID_SIZE = 8
_SALT_SIZE = 32
_PREFIX_SIZE = 7
_FIXED_SIZE = len(_MAGIC) + 2 + _KEY_ID_SIZE
HEADER_SIZE = _FIXED_SIZE + _SALT_SIZE + _PREFIX_SIZE
_HEX_KEY = re.compile(r"[0-9a-fA-F]{64}")


class Altered(StoreError):
    """A file's bytes are not those that were stored: reading it again cannot help."""


@dataclass(frozen=True, slots=True)
class SpoolKey:
    """A key of the spool.

    Args:
        key: 256 bits.
    """

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) != KEY_SIZE:
            raise _bad_key_error()

    @classmethod
    def parse(cls, text: str) -> SpoolKey:
        """Parse a key as a secret holds it: 64 hexadecimal digits, or 32 bytes in base64.

        Raises:
            ConfigError: it is neither; as it may be a secret, it is not repeated.
        """
        text = text.strip()
        if _HEX_KEY.fullmatch(text):
            return cls(bytes.fromhex(text))
        try:
            return cls(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            raise _bad_key_error() from None

    @classmethod
    def generate(cls) -> SpoolKey:
        """Generate a key."""
        return cls(secrets.token_bytes(KEY_SIZE))

    @property
    def id(self) -> str:
        """The id of the key that stands in each file, hex; says nothing about the key itself."""
        return self._id_bytes.hex()

    @property
    def _id_bytes(self) -> bytes:
        return hashlib.sha256(b"edoc spool key id\x00" + self.key).digest()[:_KEY_ID_SIZE]

    def make_header(self) -> bytes:
        """Make the header of a new file."""
        fixed = _MAGIC + bytes((_VERSION, CHUNK_BITS)) + self._id_bytes
        return fixed + secrets.token_bytes(_SALT_SIZE + _PREFIX_SIZE)


@dataclass(frozen=True)
class SpoolKeys:
    """The keys of a spool.

    Args:
        current: encrypts new files; None where they are kept plain.
        older: decrypt what is there.
    """

    current: SpoolKey | None = None
    older: tuple[SpoolKey, ...] = ()

    @classmethod
    def parse(cls, current: str | None, older: Iterable[str] = ()) -> SpoolKeys:
        """Parse keys as secrets hold them; see `SpoolKey.parse`."""
        return cls(SpoolKey.parse(current) if current is not None else None, tuple(map(SpoolKey.parse, older)))

    @cached_property
    def by_id(self) -> Mapping[str, SpoolKey]:
        """The keys by their ids."""
        keys = (*self.older, *((self.current,) if self.current is not None else ()))
        return MappingProxyType({key.id: key for key in keys})


class EncryptedFile:
    """An encrypted packet; see `StoredFile`.

    Args:
        path: the file.
        name: the name in the spool that it was encrypted under.
        keys: the keys that may open it.
    """

    __slots__ = ("_keys", "name", "path")

    def __init__(self, path: Path, name: str, keys: SpoolKeys) -> None:
        self.path = path
        self.name = name
        self._keys = keys

    def __repr__(self) -> str:
        return f"EncryptedFile({str(self.path)!r})"

    def __deepcopy__(self, _memo: object) -> EncryptedFile:
        return self  # it cannot change

    def __reduce__(self) -> str:
        raise TypeError("an encrypted packet is not copied to other processes: its key would go with it")

    def open(self) -> IO[bytes]:
        """Open a stream of the decrypted bytes.

        Raises:
            Altered: the file is not as it was written.
            StoreError: its key is not among those configured.
            OSError: it cannot be opened.
        """
        file = self.path.open("rb", buffering=0)
        try:
            return cast("IO[bytes]", _DecryptingStream(self, file, self._keys))
        except BaseException:
            file.close()
            raise

    def read_key_id(self) -> str:
        """Read the id of the key that the file was encrypted with.

        Raises:
            Altered: it has no header.
            OSError: it cannot be read.
        """
        with self.path.open("rb", buffering=0) as file:
            return parse_header(self.path, file.read(HEADER_SIZE))[1]


def encrypt_stream(plain: IO[bytes], out: IO[bytes], *, key: SpoolKey, name: str) -> tuple[str, int]:
    """Encrypt a stream.

    Args:
        plain: the bytes, from where it stands.
        out: gets the file.
        key: the key.
        name: the name in the spool, which the file is bound to.

    Returns:
        SHA-256 of the plain bytes, hex, and their number.
    """
    header = key.make_header()
    cipher, data = _FileCipher(key, header, name), hashlib.sha256()
    size = 0
    out.write(header)
    for number, (chunk, is_last) in enumerate(_iter_chunks(plain, 1 << CHUNK_BITS)):
        data.update(chunk)
        size += len(chunk)
        out.write(cipher.encrypt(number, chunk, is_last=is_last))
    return data.hexdigest(), size


def _iter_chunks(plain: IO[bytes], size: int) -> Iterator[tuple[bytes, bool]]:
    """Iterate over full chunks and the last one, which is empty only where everything is."""
    chunk = _read_full(plain, size)
    while True:
        following = _read_full(plain, size) if len(chunk) == size else b""
        yield chunk, not following
        if not following:
            return
        chunk = following


def _read_full(plain: IO[bytes], size: int) -> bytes:
    data = plain.read(size)
    while data and len(data) < size and (more := plain.read(size - len(data))):
        data += more
    return data


def parse_header(path: Path, header: bytes) -> tuple[int, str]:
    """Parse the header of an encrypted file into the size of its chunks and the id of its key.

    Raises:
        Altered: it is none that this version writes or reads.
    """
    bits = header[len(_MAGIC) + 1] if len(header) == HEADER_SIZE else 0
    if not header.startswith(_MAGIC) or header[len(_MAGIC)] != _VERSION or not 0 < bits <= MAX_CHUNK_BITS:
        raise _altered_error(path)
    return 1 << bits, header[_FIXED_SIZE - _KEY_ID_SIZE : _FIXED_SIZE].hex()


class _FileCipher:
    """The cipher of one file.

    Args:
        key: the spool's key.
        header: the file's header.
        name: its name in the spool.
    """

    def __init__(self, key: SpoolKey, header: bytes, name: str) -> None:
        salt = header[_FIXED_SIZE : _FIXED_SIZE + _SALT_SIZE]
        derivation = HKDF(algorithm=SHA256(), length=KEY_SIZE, salt=salt, info=b"edoc spool file\x00" + header)
        self._cipher = AESGCM(derivation.derive(key.key))
        self._prefix = header[_FIXED_SIZE + _SALT_SIZE :]
        self._bound = header + name.encode()

    def encrypt(self, number: int, chunk: bytes, *, is_last: bool) -> bytes:
        return self._cipher.encrypt(self._make_nonce(number, is_last=is_last), chunk, self._bound)

    def decrypt(self, number: int, chunk: bytes, *, is_last: bool) -> bytes:
        return self._cipher.decrypt(self._make_nonce(number, is_last=is_last), chunk, self._bound)

    def _make_nonce(self, number: int, *, is_last: bool) -> bytes:
        return self._prefix + number.to_bytes(4, "big") + bytes((is_last,))


class _DecryptingStream(io.RawIOBase):
    """The decrypted bytes of a file, read from any offset; one chunk is in memory at a time.

    The last chunk is decrypted first: it alone says where the file ends, and a reader of the first bytes has to know
    that the rest is there.
    """

    def __init__(self, encrypted: EncryptedFile, file: io.FileIO, keys: SpoolKeys) -> None:
        super().__init__()
        self._path = encrypted.path
        self._file = file
        header = file.read(HEADER_SIZE) or b""
        self._chunk_size, key_id = parse_header(encrypted.path, header)
        key = keys.by_id.get(key_id)
        if key is None:
            raise _missing_key_error(encrypted.path, key_id)
        self._cipher = _FileCipher(key, header, encrypted.name)
        body = os.fstat(file.fileno()).st_size - HEADER_SIZE
        self._last = max(-(-body // (self._chunk_size + TAG_SIZE)), 1) - 1
        self._number, self._chunk = -1, b""
        self._load(self._last)
        if self._last and not self._chunk:
            raise _altered_error(self._path)
        self._size = self._last * self._chunk_size + len(self._chunk)
        self._offset = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._offset

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._offset, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError(f"an offset before the first byte: {start + offset}")
        self._offset = start + offset
        return self._offset

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # Buffer is 3.12's
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view) and self._offset < self._size:
            number, start = divmod(self._offset, self._chunk_size)
            if number != self._number:
                self._load(number)
            piece = self._chunk[start : start + len(view) - done]
            view[done : done + len(piece)] = piece
            done += len(piece)
            self._offset += len(piece)
        return done

    def close(self) -> None:
        self._file.close()
        self._chunk = b""
        super().close()

    def _load(self, number: int) -> None:
        self._file.seek(HEADER_SIZE + number * (self._chunk_size + TAG_SIZE))
        sealed = self._file.read(self._chunk_size + TAG_SIZE) or b""
        try:
            self._chunk = self._cipher.decrypt(number, sealed, is_last=number == self._last)
        except InvalidTag:
            raise _altered_error(self._path) from None
        self._number = number


def compute_sha256(file: Path | EncryptedFile) -> str:
    """Compute the SHA-256 of a packet's bytes, hex.

    Raises:
        StoreError: it is encrypted, and cannot be decrypted.
        OSError: it cannot be read.
    """
    with open_file(file) as stream:
        digest = hashlib.sha256()
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _bad_key_error() -> ConfigError:
    return ConfigError(
        "a key of the spool is not 256 bits: give 64 hexadecimal digits or 32 bytes in base64; "
        "`edoc spool new-key` makes one.",
        vi="Khóa của kho tạm không phải 256 bit: hãy ghi 64 chữ số thập lục phân hoặc 32 byte dạng base64; "
        "`edoc spool new-key` tạo khóa mới.",
    )


def _missing_key_error(path: Path, key_id: str) -> StoreError:
    return StoreError(
        f"the packet {path} is encrypted with the key {key_id}, which is not configured: "
        "name it in [store] spool_key or spool_old_keys.",
        vi=f"Gói tin {path} được mã hóa bằng khóa {key_id} chưa được cấu hình: "
        "hãy khai báo khóa đó ở [store] spool_key hoặc spool_old_keys.",
    )


def _altered_error(path: Path) -> Altered:
    return Altered(
        f"the packet {path} cannot be decrypted: it was cut, continued, exchanged with another file or altered. "
        "Restore it from a backup.",
        vi=f"Không giải mã được gói tin {path}: tệp đã bị cắt, nối thêm, tráo với tệp khác hoặc bị sửa. "
        "Hãy khôi phục từ bản sao lưu.",
    )
