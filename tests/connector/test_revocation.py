"""Revocation and time-stamps set in the configuration, through the connector, with real responders."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from edoc_connector.errors import ConfigError, SigningError, VerificationFailed
from edoc_connector.store import DeliveryState, ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.keys import agency_keys, get_default_authority
from edoc_connector.testing.responders import Responders


@pytest.fixture
def pki() -> Iterator[Responders]:
    """The servers of everybody's authority."""
    with Responders(get_default_authority()) as responders:
        yield responders


def _receive(pki: Responders, folder: Any, **options: Any) -> dict[str, Any]:
    root = agency_keys("Sở Nội vụ", organ_id="H29.05").write_root(folder / "ca.pem")
    revocation = {"mode": "either", "crl_urls": list(pki.crl_urls), "ocsp_url": pki.ocsp_url}
    return {"policy": "trusted", "trust": [str(root)], "revocation": revocation | options}


def test_a_packet_waits_while_revocation_cannot_be_asked(
    office: Any, pki: Responders, handle: Any, tmp_path: Any, fails: Any
) -> None:
    """A responder that is down puts a packet off; it is not refused, and comes in once there is an answer."""
    sender = office("H29.05")
    document = sample_document()
    sender.send(document)
    for path in ("/ocsp", "/issuing.crl", "/root.crl"):
        pki.answer_overrides[path] = (503, b"")
    down = office("G22", receive=_receive(pki, tmp_path))
    fails(VerificationFailed, lambda: handle(down), "HTTP 503.*tried again at the next poll")
    (waiting,) = down.receipts()
    assert waiting.state is ReceiptState.LISTED
    pki.answer_overrides.clear()
    (receipt,) = handle(office("G22", receive=_receive(pki, tmp_path)))
    assert receipt.verification.reason in ("SIG-OK", "SEAL-OK")
    assert sender.delivery(document.id).state is DeliveryState.SENT


def test_a_packet_of_a_revoked_key_does_not_come_in(
    office: Any, pki: Responders, handle: Any, tmp_path: Any, key_kind: Any
) -> None:
    """A packet signed with a revoked key is set aside, with the reason."""
    pki.revoke(agency_keys("Sở Nội vụ", organ_id="H29.05", kind=key_kind).certificate)
    office("H29.05").send(sample_document())
    receiver = office("G22", receive=_receive(pki, tmp_path))
    assert handle(receiver) == []
    (aside,) = receiver.receipts()
    assert aside.state is ReceiptState.QUARANTINED


def test_seals_carry_time_stamps_where_an_authority_is_set(office: Any, pki: Responders, handle: Any) -> None:
    """`[signing] timestamp_url` has an authority say when a document was sealed (The seal: B-T as an option)."""
    office("H29.05", signing={"timestamp_url": pki.tsa_url}).send(sample_document())
    assert pki.requested_paths == ["/tsa"]
    (receipt,) = handle(office("G22"))
    assert receipt.verification.timestamped
    assert abs((receipt.verification.signed_at - datetime.now(UTC)).total_seconds()) < 300


def test_no_time_stamp_no_document(office: Any, pki: Responders) -> None:
    """Where the authority does not answer the document is not sent, and the caller is told."""
    pki.answer_overrides["/tsa"] = (503, b"")
    sender = office("H29.05", signing={"timestamp_url": pki.tsa_url})
    with pytest.raises(SigningError, match="no time-stamp"):
        sender.send(sample_document())


def test_settings_that_cannot_work(settings: Any) -> None:
    """Revocation without a source is refused when the connector opens, not when a packet comes."""
    with pytest.raises(ConfigError, match="revocation"):
        settings("G22", receive={"revocation": {"mode": "crl"}}).policy()
    with pytest.raises(ConfigError, match=r"lists\.crl"):
        settings("G22", receive={"revocation": {"mode": "crl", "crl_files": ["lists.crl"]}}).policy()


def test_paths_start_from_the_configuration(settings: Any, pki: Responders, tmp_path: Any) -> None:
    """Relative paths of lists and of time-stamp authorities start where the configuration file is."""
    made = settings(
        "G22",
        receive={
            "revocation": {"mode": "crl", "crl_files": ["ca.crl"], "hosts": ["CRL.example"], "timeout": 3},
            "timestamp_trust": ["tsa.pem"],
        },
    )
    (made.folder / "ca.crl").write_bytes(pki.build_crl())
    pki.tsa.write_root(made.folder / "tsa.pem")
    policy = made.policy()
    assert policy.revocation.crl_files == (made.folder / "ca.crl",)
    assert (policy.revocation.timeout, policy.timestamp_anchors) == (3.0, (pki.tsa.root,))
    assert made.timestamping() is None
