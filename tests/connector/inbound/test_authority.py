"""The decision about a packet, without a store: who vouches for it, and whether it takes effect."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING

import pytest
from tests.connector.inbound.forged_meaning import CORPUS, CORRESPONDENT, OUTSIDER, OWN

from edoc_connector.connector import Authority
from edoc_connector.connector.inbound.authority import (
    EFFECTS,
    FINDINGS,
    WITNESSES,
    Claim,
    Effect,
    Fault,
    HubWord,
    Rules,
    Signature,
    Speech,
    decide,
    is_better,
)
from edoc_connector.signing import VerificationStatus

if TYPE_CHECKING:
    from tests.connector.inbound.forged_meaning import ForgedPacket

_SPEECHES = {
    "document": Speech.DOCUMENT,
    "13": Speech.TAKE_BACK,
    "03": Speech.STATUS,
    "02": Speech.STATUS,
    "16": Speech.STATUS,
}
_TRUSTED = Rules(demands_proof=True)
_VALID, _INVALID, _UNSIGNED = VerificationStatus.VALID, VerificationStatus.INVALID, VerificationStatus.UNSIGNED

HONEST = Claim(
    speech=Speech.STATUS,
    code="03",
    sender=CORRESPONDENT,
    verdict=_UNSIGNED,
    signer="",
    announced=CORRESPONDENT,
    addressees=frozenset({OWN}),
    own=OWN,
    parties=frozenset({CORRESPONDENT}),
    age=None,
)


def test_the_corpus_has_every_kind() -> None:
    """Two hundred packets, of each kind some that count and some that do not (issue, "corpus of forged meaning")."""
    assert len(CORPUS) == len({packet.name for packet in CORPUS}) == 200
    counts = Counter((packet.what, packet.find_right()[1]) for packet in CORPUS)
    assert all(counts[what, effect] for what, effect in product({one.what for one in CORPUS}, (True, False)))


@pytest.mark.parametrize("packet", CORPUS, ids=lambda packet: packet.name)
def test_each_packet_of_the_corpus_is_decided_by_the_rules(packet: ForgedPacket) -> None:
    """Who vouches, and whether it counts, is what the rules say (business rules, "Who may say what")."""
    authority, counts = packet.find_right()
    ruling = decide(_build_claim(packet), _TRUSTED)
    assert ruling.authority == authority
    is_refused_before = packet.is_packet and (
        packet.signer == "none" or (packet.announced, packet.addressed) == ("another", "others")
    )
    assert ruling.counts is counts or is_refused_before
    assert (ruling.reason is None) is ruling.counts


def test_the_tables_decide_every_case() -> None:
    """For all that three witnesses can say there is a row, and an effect for all that can stand against a packet."""
    for signature, word, speech in product(Signature, HubWord, Speech):
        fitting = [
            row for row in WITNESSES if signature in row.signatures and word in row.hub_words and speech in row.speeches
        ]
        assert fitting
        assert all(code in FINDINGS for code in fitting[0].findings)
    assert all(set(EFFECTS[fault]) == set(Speech) for fault in Fault)


@pytest.mark.parametrize("demands_proof", [True, False])
@pytest.mark.parametrize("speech", [Speech.STATUS, Speech.TAKE_BACK, Speech.CHANGE])
def test_what_is_contradicted_moves_nothing_under_any_policy(speech: Speech, demands_proof: bool) -> None:
    """INVALID, signed by another, announced as another's: under `any` too (faults, row 38)."""
    rules = Rules(demands_proof=demands_proof)
    for change in (
        {"verdict": _INVALID},
        {"verdict": _INVALID, "signer": OUTSIDER},
        {"verdict": _VALID, "signer": OUTSIDER},
        {"announced": OUTSIDER},
        {"verdict": _VALID, "signer": CORRESPONDENT, "announced": OUTSIDER},
    ):
        ruling = decide(replace(HONEST, speech=speech, **change), rules)
        assert (ruling.authority, ruling.counts) == (Authority.CONTRADICTED, False)
        assert ruling.words.en
        assert ruling.words.vi != ruling.words.en


def test_a_policy_that_demands_no_proof_lets_a_document_in() -> None:
    """Under `any` a contradicted document comes in and is shown as that; under the others it is set aside."""
    claim = replace(HONEST, speech=Speech.DOCUMENT, code="", announced=OUTSIDER)
    assert decide(claim, Rules(demands_proof=False)).counts
    assert decide(claim, _TRUSTED).effect is Effect.SET_ASIDE
    assert decide(claim, Rules(demands_proof=False)).authority is Authority.CONTRADICTED


@pytest.mark.parametrize("code", ["01", "02", "03", "04", "05", "06", "13", "15", "16"])
@pytest.mark.parametrize("needed", [Authority.HUB_ANNOUNCED, Authority.AUTHENTICATED])
def test_grave_codes_need_what_the_setting_says(code: str, needed: Authority) -> None:
    """02, 13, 15 and 16 need the authority of `[receive] statuses`, the others none (issue, "need what … says")."""
    speech = Speech.TAKE_BACK if code == "13" else Speech.STATUS
    is_grave = code in {"02", "13", "15", "16"}
    rules = Rules(demands_proof=True, for_grave_codes=needed)
    signed = replace(HONEST, speech=speech, code=code, verdict=_VALID, signer=CORRESPONDENT)
    announced = replace(HONEST, speech=speech, code=code)
    unconfirmed = replace(announced, announced="")
    assert decide(signed, rules).counts
    assert decide(announced, rules).counts is (not is_grave or needed is Authority.HUB_ANNOUNCED)
    assert decide(unconfirmed, rules).counts is not is_grave
    assert decide(unconfirmed, replace(rules, demands_proof=False)).counts


@pytest.mark.parametrize("refuses", [True, False])
@pytest.mark.parametrize("code", ["NOT-ADDRESSED", "SIG-OLD"])
def test_findings_with_a_setting_each(code: str, refuses: bool) -> None:
    """Reported, or refused where the settings say so (issue, "Findings NOT-ADDRESSED, SIG-OLD")."""
    rules = Rules(demands_proof=True, refuses_not_addressed=refuses, refuses_old=refuses, most_age=timedelta(days=30))
    signed = replace(HONEST, speech=Speech.DOCUMENT, code="", verdict=_VALID, signer=CORRESPONDENT)
    change = {"addressees": frozenset({OUTSIDER})} if code == "NOT-ADDRESSED" else {"age": timedelta(days=31)}
    ruling = decide(replace(signed, **change), rules)
    assert code in {finding.code for finding in ruling.findings}
    assert ruling.effect is (Effect.SET_ASIDE if refuses else Effect.COUNTS)
    assert code not in {finding.code for finding in decide(replace(signed, age=timedelta(days=29)), rules).findings}


def test_the_ranks_of_authority() -> None:
    """A signature outranks the hub's word, that nobody's, and that a contradiction (issue, "better-authenticated")."""
    ranked = [Authority.AUTHENTICATED, Authority.HUB_ANNOUNCED, None, Authority.CONTRADICTED]
    for (place, one), (other_place, other) in product(enumerate(ranked), repeat=2):
        assert is_better(one, other) is (place < other_place)


def _build_claim(packet: ForgedPacket) -> Claim:
    """Build the claim of a packet as it is gathered where each agency's certificates are listed."""
    verdicts = {"own": _VALID, "another": _INVALID, "broken": _INVALID, "none": _UNSIGNED}
    signers = {"own": packet.sender, "another": packet.other, "broken": "", "none": ""}
    return Claim(
        speech=_SPEECHES.get(packet.what, Speech.CHANGE),
        code="" if packet.is_packet else packet.what,
        sender=packet.sender,
        verdict=verdicts[packet.signer],
        signer=signers[packet.signer],
        announced=packet.announced_code,
        addressees=frozenset({OWN if packet.addressed == "us" else "H31"}),
        own=OWN,
        parties=None if packet.what == "document" else frozenset({CORRESPONDENT}),
        age=None,
    )
