"""The options of verify that say where revocation is to be learnt, against real responders over loopback."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from edoc_connector import edxml, pdf, signing
from edoc_connector.testing import sample_document, sample_pdf
from edoc_connector.testing.keys import AgencyKeys, get_default_authority
from edoc_connector.testing.responders import Responders

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


@pytest.fixture
def pki() -> Iterator[Responders]:
    """The servers of the sender's authority."""
    with Responders(get_default_authority()) as responders:
        yield responders


@pytest.fixture
def agency(pki: Responders) -> AgencyKeys:
    """Keys whose certificate names the OCSP responder."""
    access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(pki.ocsp_url))
    extensions = [x509.AuthorityInformationAccess([access])]
    return pki.authority.agency("Sở Nội vụ", organ_id="H29.05", kind="p256", extensions=extensions)


@pytest.fixture
def check(agency: AgencyKeys, tmp_path: Path, edoc: Edoc) -> Callable[..., tuple[int, str]]:
    """Verifies a signed packet with options; the exit code and the reason."""
    agency.write_root(tmp_path / "ca.pem")
    enveloped = signing.enveloped(agency.signer())
    edxml.write(sample_document(), tmp_path / "a.edxml", at=datetime.now(UTC), signature=enveloped)

    def run(*options: object) -> tuple[int, str]:
        ran = edoc("verify", tmp_path / "a.edxml", "--trust", tmp_path / "ca.pem", *options, "--json")
        return ran.code, json.loads(ran.out)["reason"]

    return run


@pytest.mark.parametrize("way", ["list address", "list file", "ocsp", "either"])
def test_a_revoked_certificate_is_refused(
    way: str, check: Callable[..., Any], pki: Responders, agency: AgencyKeys, tmp_path: Path
) -> None:
    """In force it passes, revoked it does not, by whichever proof the options name; without them nobody is asked."""
    lists = [option for url in pki.crl_urls for option in ("--crl", url)]

    def options() -> list[object]:
        folder = tmp_path / "lists"
        folder.mkdir(exist_ok=True)
        (folder / "issuing.crl").write_bytes(pki.build_crl())
        (folder / "root.crl").write_bytes(pki.build_crl(root=True))
        ocsp = ["--ocsp", pki.ocsp_url]
        ways: dict[str, list[object]] = {
            "list address": [*lists],
            "list file": ["--crl", folder],
            "ocsp": [*ocsp],
            "either": [*lists, *ocsp],
        }
        return ways[way]

    assert check() == (0, "SIG-OK")
    assert pki.requested_paths == []
    assert check(*options()) == (0, "SIG-OK")
    pki.revoke(agency.certificate)
    code, reason = check(*options())
    assert (code, reason) == (3, "SIG-REVOKED")
    assert check() == (0, "SIG-OK")


def test_addresses_in_certificates_need_their_host(check: Callable[..., Any], pki: Responders) -> None:
    """They are fetched only where an option allows the host (trust.md)."""
    code, reason = check("--revocation-host", "elsewhere.test")
    assert (code, pki.requested_paths) == (3, [])
    assert reason != "SIG-OK"
    check("--revocation-host", "127.0.0.1")
    assert pki.requested_paths == ["/ocsp"]


def test_nothing_to_be_learnt(check: Callable[..., Any], pki: Responders) -> None:
    """Without an answer the signature is not believed, unless that is only to be reported."""
    pki.answer_overrides["/ocsp"] = (503, b"")
    assert check("--ocsp", pki.ocsp_url)[0] == 3
    assert check("--ocsp", pki.ocsp_url, "--soft-revocation") == (0, "SIG-OK")


def test_what_cannot_be(check: Callable[..., Any], edoc: Edoc, tmp_path: Path) -> None:
    """A list that is not there, an address that is none, no authority to believe: a line in each language."""
    packet = tmp_path / "a.edxml"
    for options in (
        ["--trust", tmp_path / "ca.pem", "--crl", tmp_path / "gone.crl"],
        ["--trust", tmp_path / "ca.pem", "--ocsp", "ocsp.example"],
        ["--ocsp", "http://127.0.0.1:1/"],
    ):
        ran = edoc("verify", packet, *options)
        assert (ran.code, ran.err.count("\n")) == (2, 2)


def test_pdf_files_too(pki: Responders, agency: AgencyKeys, edoc: Edoc, tmp_path: Path) -> None:
    """`edoc pdf verify` has the same options."""
    agency.write_root(tmp_path / "ca.pem")
    (tmp_path / "a.pdf").write_bytes(sample_pdf(["Cong van"]))
    pdf.sign_pdf(tmp_path / "a.pdf", tmp_path / "s.pdf", signer=agency.signer())
    options = ["--trust", tmp_path / "ca.pem", "--crl", pki.crl_urls[0], "--crl", pki.crl_urls[1]]
    assert edoc("pdf", "verify", tmp_path / "s.pdf", *options).code == 0
    pki.revoke(agency.certificate)
    assert edoc("pdf", "verify", tmp_path / "s.pdf", *options).code != 0
