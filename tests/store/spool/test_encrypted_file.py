"""Packets at rest: the format of docs/spool.md, and every change to a file."""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import os
import pickle
import secrets
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from edoc_connector.errors import ConfigError, StoreError
from edoc_connector.store import Altered, EncryptedFile, Spool, SpoolFile, SpoolKey, SpoolKeys, compute_sha256
from edoc_connector.store.spool.encrypted_file import HEADER_SIZE, encrypt_stream

KEY = SpoolKey.generate()
CHUNK = 1 << 16
NAME = "0" * 32 + ".edxml"


def encrypt(path: Path, data: bytes, *, key: SpoolKey = KEY, name: str = NAME) -> EncryptedFile:
    with path.open("wb") as out:
        assert encrypt_stream(io.BytesIO(data), out, key=key, name=name) == (
            hashlib.sha256(data).hexdigest(),
            len(data),
        )
    return EncryptedFile(path, name, SpoolKeys(key))


def decrypt_by_the_page(path: Path, key: bytes, name: str) -> bytes:
    """Decrypt as docs/spool.md says, with nothing of the library."""
    data = path.read_bytes()
    assert data[:8] == b"edocspl\x00"
    assert data[8] == 1
    chunk_size = 1 << data[9]
    assert data[10:18] == hashlib.sha256(b"edoc spool key id\x00" + key).digest()[:8]
    header, salt, prefix, body = data[:57], data[18:50], data[50:57], data[57:]
    file_key = HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"edoc spool file\x00" + header).derive(key)
    chunks = [body[start : start + chunk_size + 16] for start in range(0, len(body), chunk_size + 16)]
    plain = b""
    for number, chunk in enumerate(chunks):
        last = number == len(chunks) - 1
        nonce = prefix + number.to_bytes(4, "big") + (b"\x01" if last else b"\x00")
        plain += AESGCM(file_key).decrypt(nonce, chunk, header + name.encode())
    return plain


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7])
def test_the_format_is_that_of_the_page(size: int, tmp_path: Path) -> None:
    """A file is what docs/spool.md says, at every boundary of a chunk, and reads back whole and by its size."""
    data = secrets.token_bytes(size)
    file = encrypt(tmp_path / "x", data)
    assert decrypt_by_the_page(file.path, KEY.key, NAME) == data
    with file.open() as stream:
        assert stream.read() == data
        assert stream.seek(0, os.SEEK_END) == size
    assert compute_sha256(file) == hashlib.sha256(data).hexdigest()
    assert file.read_key_id() == KEY.id


@given(data=st.data())
def test_any_range_is_read(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Readers may go anywhere in the file, and get the bytes of a plain one (streams, not strings)."""
    plain = bytes(range(256)) * (3 * CHUNK // 256) + b"end"
    file = encrypt(tmp_path_factory.mktemp("x") / "x", plain)
    with file.open() as stream, io.BytesIO(plain) as expected:
        for _ in range(data.draw(st.integers(1, 8))):
            start, size = data.draw(st.integers(0, len(plain) + 5)), data.draw(st.integers(0, 2 * CHUNK))
            assert stream.seek(start) == expected.seek(start)
            assert stream.read(size) == expected.read(size)
            assert stream.tell() == expected.tell()
        with pytest.raises(ValueError, match="before the first byte"):
            stream.seek(-1)


def _swap_chunks(data: bytes) -> bytes:
    one, two = HEADER_SIZE + CHUNK + 16, HEADER_SIZE + 2 * (CHUNK + 16)
    return data[:HEADER_SIZE] + data[one:two] + data[HEADER_SIZE:one] + data[two:]


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "cut by a byte": lambda data: data[:-1],
    "cut after a chunk": lambda data: data[: HEADER_SIZE + 2 * (CHUNK + 16)],
    "cut after the header": lambda data: data[:HEADER_SIZE],
    "cut in the header": lambda data: data[: HEADER_SIZE - 1],
    "empty": lambda _: b"",
    "a byte behind it": lambda data: data + b"x",
    "its last chunk twice": lambda data: data + data[HEADER_SIZE + 2 * (CHUNK + 16) :],
    "a tag behind it": lambda data: data + bytes(16),
    "two chunks exchanged": _swap_chunks,
    "the first chunk gone": lambda data: data[:HEADER_SIZE] + data[HEADER_SIZE + CHUNK + 16 :],
    "plain": lambda _: b"<edXML/>",
    **{f"bit {at} of the header": lambda data, at=at: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]  # type: ignore[misc]
       for at in (0, 8, 9, 18, 49, 50, 56)},
    **{f"a bit of chunk {number}": lambda data, at=HEADER_SIZE + number * (CHUNK + 16): (  # type: ignore[misc]
        data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]) for number in range(3)},
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_is_refused(change: str, tmp_path: Path) -> None:
    """Truncation, extension, another order and every bit are an error that names the file and the cure (issue)."""
    file = encrypt(tmp_path / "x", secrets.token_bytes(2 * CHUNK + 100))
    file.path.write_bytes(CHANGES[change](file.path.read_bytes()))
    with pytest.raises(Altered, match=r"x cannot be decrypted.*Restore it from a backup") as caught:
        compute_sha256(file)
    assert "Hãy khôi phục" in caught.value.vi


@pytest.mark.parametrize("cut", ["cut after a chunk", "a byte behind it", "cut by a byte"])
def test_the_length_is_known_before_the_first_byte(cut: str, tmp_path: Path) -> None:
    """Who reads only the beginning is told that the end is missing: the last chunk is opened first (STREAM)."""
    file = encrypt(tmp_path / "x", secrets.token_bytes(2 * CHUNK + 100))
    file.path.write_bytes(CHANGES[cut](file.path.read_bytes()))
    with pytest.raises(Altered):
        file.open()


def test_two_files_exchanged_are_noticed(tmp_path: Path) -> None:
    """A file is bound to its name: another packet of the same key in its place does not open (issue)."""
    spool = Spool(tmp_path, keys=SpoolKeys(KEY))
    first, second = keep(spool, b"one"), keep(spool, b"two")
    places = [tmp_path / kept.name[:2] / f"{kept.name}.enc" for kept in (first, second)]
    contents = [place.read_bytes() for place in places]
    for place, content in zip(places, reversed(contents), strict=True):
        place.write_bytes(content)
    for kept in (first, second):
        with pytest.raises(Altered, match="exchanged with another"):
            spool.verify_file(kept.name, kept.sha256)


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    """Without its key a file says which one it needs, and where that is configured (issue, an id of the key)."""
    file = encrypt(tmp_path / "x", b"packet")
    with pytest.raises(StoreError, match=f"{KEY.id}.*spool_old_keys") as caught:
        EncryptedFile(file.path, NAME, SpoolKeys(SpoolKey.generate())).open()
    assert not isinstance(caught.value, Altered)
    assert KEY.id in caught.value.vi


@pytest.mark.parametrize("text", ["", "00", "0" * 63, "g" * 64, base64.b64encode(bytes(31)).decode()])
def test_a_key_has_256_bits(text: str) -> None:
    """Anything else is refused, and not repeated, as it may be a secret (issue, a 256-bit key)."""
    with pytest.raises(ConfigError, match="256 bits") as caught:
        SpoolKeys.parse(text)
    assert not text or text not in caught.value.message


def test_a_key_is_hexadecimal_or_base64() -> None:
    """Both are the same key; the key itself is in no text about it."""
    parsed = SpoolKeys.parse(KEY.key.hex(), [base64.b64encode(KEY.key).decode() + "\n"])
    assert parsed.current == parsed.older[0] == KEY
    assert KEY.key.hex() not in repr(parsed)
    assert repr(KEY.key) not in repr(parsed)


def test_the_key_leaves_the_process_with_no_copy(tmp_path: Path) -> None:
    """A pickled packet would take the key along: that is refused; a copy in memory is the file itself."""
    file = encrypt(tmp_path / "x", b"packet")
    with pytest.raises(TypeError, match="key would go with it"):
        pickle.dumps(file)
    assert copy.deepcopy(file) is file


def test_memory_does_not_grow_with_the_packet(tmp_path: Path) -> None:
    """Encrypting and reading hold a chunk at a time (streams, not strings)."""
    peaks = []
    for size in (4 << 20, 32 << 20):
        (tmp_path / "plain").write_bytes(bytes(size))
        tracemalloc.start()
        with (tmp_path / "plain").open("rb") as plain, (tmp_path / "x").open("wb") as out:
            encrypt_stream(plain, out, key=KEY, name=NAME)
        compute_sha256(EncryptedFile(tmp_path / "x", NAME, SpoolKeys(KEY)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + (1 << 20)
    assert peaks[1] < 4 << 20


# -- the spool


def keep(spool: Spool, data: bytes) -> SpoolFile:
    with spool.draft_file() as draft:
        draft.write_bytes(data)
        return spool.keep_draft(draft)


def read(spool: Spool, kept: SpoolFile) -> bytes:
    file = spool.verify_file(kept.name, kept.sha256)
    if isinstance(file, Path):
        return file.read_bytes()
    with file.open() as stream:
        return stream.read()


def list_contents(root: Path) -> bytes:
    return b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())


def test_keys_are_changed_by_rewriting(tmp_path: Path) -> None:
    """Plain files and those of older keys are read meanwhile, and rewritten: on, to another key, and off (issue)."""
    old, new = SpoolKey.generate(), SpoolKey.generate()
    steps = [SpoolKeys(old), SpoolKeys(new, (old,)), SpoolKeys(None, (new,))]
    kept = {data: keep(Spool(tmp_path), data) for data in (b"", b"plain " * 20000)}
    for keys in steps:
        spool = Spool(tmp_path, keys=keys)
        for data, file in kept.items():
            assert read(spool, file) == data
        kept[f"packet of {spool.key_id}".encode()] = keep(spool, f"packet of {spool.key_id}".encode())
        assert sum(done for _, done in spool.rewrite()) == len(kept) - 1
        assert sum(done for _, done in spool.rewrite()) == 0
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert len(files) == len(kept)
        assert all(path.suffix == (".enc" if keys.current else ".edxml") for path in files)
        assert (b"plain " in list_contents(tmp_path)) is (keys.current is None)
        for data, file in kept.items():
            assert read(spool, file) == data
            assert file.name in {name for name, _ in spool.list_files()}


def test_what_was_set_aside_is_rewritten_too(tmp_path: Path) -> None:
    """No packet stays plain where all are said to be encrypted, an orphan neither."""
    plain = Spool(tmp_path)
    kept = keep(plain, b"set aside")
    located = plain.locate(kept.name)
    assert isinstance(located, Path)
    plain.set_aside(located)
    assert sum(done for _, done in Spool(tmp_path, keys=SpoolKeys(KEY)).rewrite()) == 1
    assert b"set aside" not in list_contents(tmp_path)


def test_a_rewrite_that_stopped_half_way_goes_on(tmp_path: Path) -> None:
    """A crash between the new file and the removal of the old one leaves both; the next run removes the plain one."""
    kept = keep(Spool(tmp_path), b"packet")
    folder = tmp_path / kept.name[:2]
    spool = Spool(tmp_path, keys=SpoolKeys(KEY))
    encrypt(folder / f"{kept.name}.enc", b"packet", name=kept.name)
    assert read(spool, kept) == b"packet"
    assert sum(done for _, done in spool.rewrite()) == 1
    assert [path.name for path in folder.iterdir()] == [f"{kept.name}.enc"]
    spool.delete_file(kept.name)
    assert list(folder.iterdir()) == []


def test_a_file_that_cannot_be_rewritten_is_left(tmp_path: Path) -> None:
    """An altered file stops the rewriting with its name, and stays as it is."""
    old = SpoolKey.generate()
    kept = keep(Spool(tmp_path, keys=SpoolKeys(old)), b"packet")
    place = tmp_path / kept.name[:2] / f"{kept.name}.enc"
    changed = place.read_bytes()[:-1] + b"x"
    place.write_bytes(changed)
    with pytest.raises(Altered, match=kept.name):
        list(Spool(tmp_path, keys=SpoolKeys(KEY, (old,))).rewrite())
    assert place.read_bytes() == changed


def test_a_plain_spool_names_the_key_of_an_encrypted_file(tmp_path: Path) -> None:
    """A key that was taken out of the configuration is asked for by its id, not reported as an altered file."""
    kept = keep(Spool(tmp_path, keys=SpoolKeys(KEY)), b"packet")
    with pytest.raises(StoreError, match=KEY.id):
        Spool(tmp_path).verify_file(kept.name, kept.sha256)


def test_a_plain_packet_may_begin_like_an_encrypted_one(tmp_path: Path) -> None:
    """What a hub sends is never taken for a file of ours: the name tells, not the bytes."""
    spool = Spool(tmp_path)
    data = b"edocspl\x00" + bytes(100)
    kept = keep(spool, data)
    assert read(spool, kept) == data
    assert read(Spool(tmp_path, keys=SpoolKeys(KEY)), kept) == data


def test_drafts_lie_where_the_settings_say(tmp_path: Path) -> None:
    """With a key drafts may be in memory, and of a foreign folder there only what has our names counts as a draft."""
    drafts = tmp_path / "memory"
    spool = Spool(tmp_path / "spool", keys=SpoolKeys(KEY), drafts=drafts)
    (drafts / "notes.txt").touch()
    with spool.draft_file() as draft:
        draft.write_bytes(b"packet")
        assert draft.parent == drafts
        assert spool.list_drafts() == [draft]
        kept = spool.keep_draft(draft)
    assert read(spool, kept) == b"packet"
    assert spool.list_drafts() == []


def test_a_restored_packet_is_bound_to_its_new_name(tmp_path: Path) -> None:
    """An orphan with the right bytes takes the place of a lost packet under that one's name; the wrong one is kept."""
    for keys in (SpoolKeys(), SpoolKeys(KEY)):
        spool = Spool(tmp_path / str(spool_number(keys)), keys=keys)
        lost, orphan = keep(spool, b"packet"), keep(spool, b"packet")
        spool.restore(spool.locate(orphan.name), lost.name)
        assert read(spool, lost) == b"packet"
        assert [name for name, _ in spool.list_files()] == [lost.name]
        assert len(list((spool.root / "orphans").iterdir())) == 1


def spool_number(keys: SpoolKeys) -> int:
    return len(keys.by_id)
