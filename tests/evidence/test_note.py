"""Signed notes: their form, and what is none."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edoc_connector.errors import EvidenceError
from edoc_connector.evidence import Note, NoteSignature, compute_key_id, format_note, parse_note, sign_note
from edoc_connector.testing.keys import agency_keys

TEXT = "ghi chú\n\ndòng cuối\n".encode()
SIGNATURE = NoteSignature("edoc-evidence/G22/1", b"abcd", b"value")
LINE = "\u2014 edoc-evidence/G22/1 " + base64.b64encode(b"abcdvalue").decode() + "\n"


def test_the_form_of_a_note() -> None:
    """Text, empty line, and for each signature a dash, the key's name and base64 (C2SP signed-note)."""
    assert format_note(Note(TEXT, (SIGNATURE,))) == TEXT + b"\n" + LINE.encode()
    assert parse_note(TEXT + b"\n" + LINE.encode()) == Note(TEXT, (SIGNATURE,))


def test_a_note_of_somebody_else_is_read() -> None:
    """The example of the standard's own page, whose text has an empty line, is read (C2SP signed-note, "Note")."""
    value = "NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc="
    text = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n"
    note = parse_note(f"{text}\n\u2014 quasimodo.example/salvatore {value}\n".encode())
    assert (note.text.decode(), note.signatures[0].name) == (text, "quasimodo.example/salvatore")
    assert (note.signatures[0].key_id.hex(), len(note.signatures[0].value)) == ("367ba04b", 64)


@given(
    st.lists(
        st.builds(
            NoteSignature,
            st.from_regex(r"[a-z/.0-9]+", fullmatch=True),
            st.binary(min_size=4, max_size=4),
            st.binary(min_size=1, max_size=80),
        ),
        max_size=16,
    )
)
def test_a_note_is_read_as_it_was_written(signatures: list[NoteSignature]) -> None:
    """Whatever signatures it has; with none it ends with the empty line."""
    note = Note(TEXT, tuple(signatures))
    assert parse_note(format_note(note)) == note


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        TEXT + LINE.encode(),
        TEXT + b"\n" + LINE.encode()[:-1],
        TEXT + b"\n" + LINE.replace("\u2014", "-").encode(),
        TEXT + b"\n" + LINE.replace(" ", "  ").encode(),
        TEXT + b"\n" + LINE.replace("G22", "G+22").encode(),
        TEXT + b"\n" + LINE.replace("=", "").encode() + b"x",
        TEXT + b"\n" + "\u2014 name YWJjZA==\n".encode(),
        TEXT + b"\n" + "\u2014 name YWJjZHY\n".encode(),
        TEXT + b"\n" + "\u2014 name YWJjZHZ=\n".encode(),
        TEXT + b"\n" + "\u2014 \u00a0 YWJjZHY=\n".encode(),
        TEXT + b"\r\n\n" + LINE.encode(),
        TEXT + b"\x00\n\n" + LINE.encode(),
        b"\xff\n\n" + LINE.encode(),
        TEXT + b"\n\xff\n",
        TEXT + b"\n" + LINE.encode() * 17,
        b"x" * 70_000 + b"\n\n" + LINE.encode(),
    ],
)
def test_what_is_no_note(data: bytes) -> None:
    """Anything that departs from the form is one typed error."""
    with pytest.raises(EvidenceError, match="no checkpoint"):
        parse_note(data)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fall_over(data: bytes) -> None:
    """Bytes of anybody are a note or one typed error."""
    for one in (data, TEXT + b"\n" + data, TEXT + "\n\u2014 a ".encode() + data + b"\n"):
        try:
            parse_note(one)
        except EvidenceError:
            continue


def test_a_key_has_an_id_for_each_name_and_algorithm() -> None:
    """One key that signs in two ways, or under two names, is never mistaken (C2SP signed-note, "Signatures")."""
    certificate = agency_keys("Sở Nội vụ", organ_id="H29.05").certificate
    ids = {compute_key_id(name, one, certificate) for name in "ab" for one in ("rsa-sha256", "rsa-pss-sha256")}
    assert len(ids) == 4
    assert all(len(one) == 4 for one in ids)


def test_a_note_is_signed_under_its_name() -> None:
    """The line has the key's name, its id and the value of the project's own signer."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
    note = parse_note(sign_note(TEXT, name="a/b", signer=keys.signer()))
    assert note.text == TEXT
    (signature,) = note.signatures
    assert signature.name == "a/b"
    assert signature.key_id == compute_key_id("a/b", "rsa-sha256", keys.certificate)
    assert len(signature.value) == 256
