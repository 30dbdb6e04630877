"""The command verify."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.mockhub import rebuild_packet
from edoc_connector.testing import agency_keys, authority, sample_pdf

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


def test_verify_tells_by_its_exit_code(signed: Path, unsigned: Path, edoc: Edoc, tmp_path: Path) -> None:
    """0 VALID, 1 INVALID, 3 UNSIGNED or UNVERIFIABLE, 2 not readable."""
    assert edoc("verify", signed, "--trust", tmp_path / "ca.pem").code == 0
    assert edoc("verify", unsigned).code == 3
    forged = tmp_path / "forged.edxml"
    forged.write_bytes(signed.read_bytes().replace("kết nối".encode(), "cắt nối".encode()))
    ran = edoc("verify", forged)
    assert ran.code == 1
    assert "Subject" in ran.out
    agency_keys("Ai đó").write_root(tmp_path / "same.pem")
    (tmp_path / "not.edxml").write_text("<html/>")
    assert edoc("verify", tmp_path / "not.edxml").code == 2


def test_verify_with_strangers_only_is_unverifiable(signed: Path, edoc: Edoc, tmp_path: Path) -> None:
    """A signature that leads to nobody trusted is not accepted where trust is asked for."""

    authority("Another CA").agency("Khác").write_root(tmp_path / "other.pem")
    ran = edoc("verify", signed, "--trust", tmp_path / "other.pem", "--json")
    assert ran.code == 3
    assert json.loads(ran.out)["status"] == "UNVERIFIABLE"


def test_a_verdict_says_whether_the_signer_was_checked(signed: Path, edoc: Edoc) -> None:
    """VALID without --trust proves no name: anybody can make a certificate (security, "Trust")."""
    alone, judged = edoc("verify", signed), edoc("verify", signed, "--trust", signed.parent / "ca.pem")
    assert "signer not checked / chưa xác minh người ký" in alone.out
    assert "SIG-NOT-JUDGED" in alone.out
    assert "VALID (SIG-OK) — Sở Nội vụ; trusted / tin cậy" in judged.out
    assert "SIG-NOT-JUDGED" not in judged.out
    assert "SIG-UNBOUND" in alone.out
    for command in (("inspect",), ("seal", "show")):
        assert "signer not checked" in edoc(*command, signed).out


def test_words_and_screens_verify_names_the_signer_the_chain_and_the_trust(
    signed: Path, edoc: Edoc, tmp_path: Path
) -> None:
    """Who signed, by which certificates, and whether that one is trusted, in both languages ("Words and screens")."""
    judged, alone = edoc("verify", signed, "--trust", tmp_path / "ca.pem"), edoc("verify", signed)
    chain = "Sở Nội vụ ← Throwaway CA Issuing ← Throwaway CA Root"
    assert f"Signed by Sở Nội vụ (chain: {chain}): trusted." in judged.out
    assert f"Người ký: Sở Nội vụ (chuỗi chứng thư số: {chain}): tin cậy." in judged.out
    assert "signer not checked, anybody may have made this certificate" in alone.out
    authority("Another CA").agency("Khác").write_root(tmp_path / "other.pem")
    strange = edoc("verify", signed, "--trust", tmp_path / "other.pem")
    assert "Signed by Sở Nội vụ (chain: Sở Nội vụ ← [" in strange.out
    assert "NOT accepted" in strange.out
    listed = json.loads(edoc("verify", signed, "--trust", tmp_path / "ca.pem", "--json").out)
    assert [name.partition(",")[0] for name in listed["chain"]][1:] == [
        "CN=Throwaway CA Issuing",
        "CN=Throwaway CA Root",
    ]


@pytest.mark.parametrize("command", [("verify",), ("seal", "show")])
def test_words_and_screens_a_sound_signature_of_nobody_in_particular_is_4(
    signed: Path, edoc: Edoc, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """A script that looks at the exit code is not told 0 of a signer that nobody judged ("Words and screens")."""
    assert edoc(*command, signed).code == 4
    assert edoc(*command, signed, "--trust", tmp_path / "ca.pem").code == 0


@pytest.mark.parametrize("command", [("verify",), ("seal", "show"), ("inspect",)])
def test_what_a_seal_says_is_what_is_shown_by_a_packet_as_it_came(
    signed: Path, unsigned: Path, edoc: Edoc, command: tuple[str, ...]
) -> None:
    """A packet's own signature proves all of it; what is not VALID proves nothing ("What a seal says")."""
    assert (
        "proved / đã chứng minh: the whole packet as it came / toàn bộ gói tin như nhận được"
        in edoc(*command, signed).out
    )
    signed.write_bytes(signed.read_bytes().replace("kết nối".encode(), "cắt nối".encode()))
    assert "proved" not in edoc(*command, signed).out
    assert "proved" not in edoc(*command, unsigned).out


def test_what_a_seal_says_is_what_is_shown_of_a_rebuilt_packet(signed: Path, edoc: Edoc, tmp_path: Path) -> None:
    """Of a rebuilt packet the command counts what was proved, and names what nobody signed ("What a seal says")."""
    rebuild_packet(signed, tmp_path / "rebuilt.edxml", at=datetime.now(UTC), organ_id="hub", limit=1 << 24)
    printed = edoc("verify", tmp_path / "rebuilt.edxml", "--trust", tmp_path / "ca.pem").out
    listed = json.loads(edoc("verify", tmp_path / "rebuilt.edxml", "--trust", tmp_path / "ca.pem", "--json").out)
    assert (listed["method"], "Attachment.1" in listed["sealed"]) == ("seal", True)
    fields = len(listed["sealed"]) - 1
    assert f"proved / đã chứng minh: {fields} fields, 1 attachments / {fields} trường, 1 tệp đính kèm" in printed
    assert {"TraceHeader", "Attachment.1.ContentType"} <= set(listed["unsealed"])
    assert f"unsealed, nobody signed it / không niêm phong, không ai ký: {', '.join(listed['unsealed'])}\n" in printed


@pytest.mark.parametrize("options", [("--trust", "gone.pem"), ("--crl", "gone.crl")])
@pytest.mark.parametrize("command", [("verify",), ("pdf", "verify")])
def test_a_wrong_option_is_no_verdict(signed: Path, edoc: Edoc, command: tuple[str], options: tuple[str, str]) -> None:
    """Exit 1 says INVALID; what an option names and is not there is exit 2 (command line, "exit code")."""
    ran = edoc(*command, signed, *options)
    assert (ran.code, ran.out) == (2, "")
    assert "gone." in ran.err


def test_a_pdf_file_is_sent_to_the_right_command(edoc: Edoc, tmp_path: Path) -> None:
    """A PDF file is no packet; the error names the command for it."""
    (tmp_path / "a.pdf").write_bytes(sample_pdf(["7816"]))
    ran = edoc("verify", tmp_path / "a.pdf")
    assert ran.code == 2
    assert "edoc pdf verify" in ran.err
