"""Policies: loading anchors, what is let in, which certificate speaks for whom."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from edoc_connector import edxml
from edoc_connector.errors import ConfigError
from edoc_connector.signing import VerifyMode, VerifyPolicy, verify
from edoc_connector.signing.pki.certificates import fingerprint
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import AgencyKeys, get_default_authority


def test_anchors_load_from_files_and_folders(agency: AgencyKeys, stranger: AgencyKeys, tmp_path: Path) -> None:
    """PEM with several certificates, DER, and folders of such files; other files in a folder are left alone."""
    bundle, folder = tmp_path / "bundle.txt", tmp_path / "trust"
    bundle.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in agency.certificates[1:]))
    folder.mkdir()
    (folder / "stranger.cer").write_bytes(stranger.root.public_bytes(Encoding.DER))
    (folder / "notes.md").write_text("not a certificate")
    policy = VerifyPolicy.load([bundle, folder])
    assert policy.anchors == (*agency.certificates[1:], stranger.root)
    assert policy.mode is VerifyMode.TRUSTED
    lax = VerifyPolicy.load([], mode=VerifyMode.ANY, intermediates=[bundle], legacy_sha1=True)
    assert (lax.intermediates, lax.legacy_sha1) == (agency.certificates[1:], True)


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_unreadable_anchors_are_a_configuration_error(content: bytes | None, tmp_path: Path) -> None:
    """A file that is missing, empty or damaged is named, in both languages."""
    path = tmp_path / "root.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"root\.pem") as error:
        VerifyPolicy.load([path])
    assert "root.pem" in error.value.vi


@pytest.mark.parametrize(
    "options",
    [
        {"mode": VerifyMode.TRUSTED},
        {"at": datetime(2026, 11, 20)},
        {"organisations": {"H29": ("sha256:abc",)}},
        {"organisations": {"H29": ("sha256:" + "x" * 64,)}},
        {"organisations": {"H29": ("Sở Nội vụ",)}},
        {"organisations": {"H29": ("",)}},
    ],
    ids=["no anchor", "no zone", "short fingerprint", "no fingerprint", "no subject", "empty subject"],
)
def test_a_policy_that_cannot_work_is_refused(options: dict[str, Any]) -> None:
    """Mistakes in a policy show when it is made, not when a packet comes."""
    with pytest.raises(ConfigError) as error:
        VerifyPolicy(**options)
    assert error.value.vi


def test_what_each_mode_lets_in(packet_of: Any, stranger: AgencyKeys, trusted: VerifyPolicy) -> None:
    """TRUSTED takes valid and chained, VALID any valid signature, ANY everything (VerifyPolicy presets)."""
    packets = {
        "trusted": packet_of(sealing=None),
        "stranger": packet_of(keys=stranger, sealing=None),
        "unsigned": packet_of(keys=None, sealing=None),
    }
    admitted = {
        mode: [
            name
            for name, data in packets.items()
            if (policy := VerifyPolicy(mode=mode, anchors=trusted.anchors)).admits(verify(edxml.read(data), policy))
        ]
        for mode in VerifyMode
    }
    assert admitted == {
        VerifyMode.TRUSTED: ["trusted"],
        VerifyMode.VALID: ["trusted", "stranger"],
        VerifyMode.ANY: ["trusted", "stranger", "unsigned"],
    }


def test_which_certificate_speaks_for_whom(agency: AgencyKeys, stranger: AgencyKeys) -> None:
    """A fingerprint names one certificate, in any spelling; a subject counts only under a trusted authority."""
    hexadecimal = fingerprint(agency.certificate)
    spelled = ":".join(hexadecimal[i : i + 2] for i in range(0, 64, 2)).upper()
    for entry in (f"sha256:{hexadecimal}", f"sha256:{spelled}"):
        policy = VerifyPolicy(organisations={"H29.05": (entry,)})
        assert policy.speaks_for("H29.05", agency.certificate, trusted=False)
        assert not policy.speaks_for("H29.05", stranger.certificate, trusted=True)
        assert policy.speaks_for("H30", stranger.certificate, trusted=False)
    by_subject = VerifyPolicy(organisations={"H29.05": ("O=Nobody", "OU=H29.05,C=VN")})
    assert by_subject.speaks_for("H29.05", agency.certificate, trusted=True)
    assert not by_subject.speaks_for("H29.05", agency.certificate, trusted=False)
    nobody = VerifyPolicy(organisations={"H29.05": ()})
    assert not nobody.speaks_for("H29.05", agency.certificate, trusted=True)


def test_policies_are_values(agency: AgencyKeys) -> None:
    """Equal policies are equal, and can be kept in sets."""
    make = {"anchors": (agency.root,), "at": datetime.now(UTC), "organisations": {"H29": ("O=x",)}}
    one, other = VerifyPolicy(**make), VerifyPolicy(**make)  # type: ignore[arg-type]
    assert one == other
    assert len({one, other}) == 1


@pytest.mark.parametrize("said", ["H29.05", "h29.05", " H29.05\n", "h29.05\u2003"])
def test_no_spelling_of_a_code_escapes_its_binding(said: str, packet_of: Any, agency: AgencyKeys) -> None:
    """An OrganId in any spelling that is read as the listed one is bound to its certificates (The seal, Checking)."""
    other = get_default_authority().agency("Other agency", organ_id="H30")
    sender = edxml.Organization(id=said.strip(), name="Sở Nội vụ")
    data = packet_of(sample_document(sender=sender), keys=other, sealing=other)
    entry = (f"sha256:{fingerprint(agency.certificate)}",)
    for listed in ("H29.05", "h29.05"):
        policy = VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=(agency.root,), organisations={listed: entry})
        assert not policy.speaks_for(said, other.certificate, trusted=True)
        assert policy.speaks_for(said, agency.certificate, trusted=True)
        assert policy.speaks_for("H30", other.certificate, trusted=True)
        assert verify(edxml.read(data), policy).reason == "SIG-ORGANISATION"
