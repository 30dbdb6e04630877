"""Authority of packets: who vouches for the sender, and whether what a packet says may take effect.

Three speak of a packet's sender: the packet itself (``From.OrganId``), the signature, and the hub, which announces who
handed the packet in. `WITNESSES` says what they are worth together, `EFFECTS` what becomes of a packet that something
stands against. Both are tables and `decide` only reads them; the facts are gathered in `claims`.

* A word about a document (a status, a recall, an update, a replacement, a request to give it back) takes effect the
  moment it is believed. So it counts for nobody where signature or hub name another sender, and only from a party of
  that document (business rules, "Who may say what").
* A document says the same wherever it travels. A signature that is bound to its sender outweighs a hub that names
  another station; a policy that demands no proof lets in what is contradicted, and shows it as that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any

from ..._core import Text
from ...errors import VerificationFailed
from ...signing import VerificationStatus, as_one_line
from ...store import Authority, ReceiptRow


class Speech(Enum):
    """What a packet says."""

    DOCUMENT = "a document"
    CHANGE = "a recall, an update or a replacement"
    TAKE_BACK = "a request to give a document back (13)"
    STATUS = "any other status"


class Signature(Enum):
    """What the signature says of the sender."""

    OWN = "it holds, and its certificate is bound to the sender"
    SOUND = "it holds, and its certificate is bound to nobody"
    OTHERS = "its certificate is bound to another organisation, or the sender's are listed and it is none of them"
    BROKEN = "it does not hold"
    NONE = "there is none, or it cannot be judged"


class HubWord(Enum):
    """What the hub says of the sender."""

    SENDER = "it announced the sender"
    OTHER = "it announced another"
    SILENT = "it announced nobody"


class Fault(Enum):
    """What stands against a packet."""

    CONTRADICTED = "signature or hub contradict its sender"
    NO_PARTY = "its sender is no party of the document it speaks about"
    TOO_LITTLE = "its code needs more authority under the policy"
    NOT_ADDRESSED = "it is addressed to others, and that is refused"
    OLD = "it was signed long before it came, and that is refused"


class Effect(Enum):
    """What becomes of a packet."""

    COUNTS = "it takes effect"
    KEPT = "stored, shown and confirmed; it moves nothing"
    SET_ASIDE = "quarantined; it moves nothing before a person lets it in"


_ALL_SPEECHES = frozenset(Speech)
_ALL_SIGNATURES = frozenset(Signature)
_ALL_WORDS = frozenset(HubWord)
_UNPROVEN = frozenset({Signature.SOUND, Signature.NONE})


@dataclass(frozen=True, slots=True)
class Witnesses:
    """One row of `WITNESSES`.

    Args:
        signatures: what the signature says.
        hub_words: what the hub says.
        speeches: what the packet says.
        authority: what they are worth together; None where nobody vouches.
        findings: codes of `FINDINGS`, the reason first.
    """

    signatures: frozenset[Signature]
    hub_words: frozenset[HubWord]
    speeches: frozenset[Speech]
    authority: Authority | None
    findings: tuple[str, ...]


# The first row that fits decides.
WITNESSES: tuple[Witnesses, ...] = (
    Witnesses(frozenset({Signature.BROKEN}), _ALL_WORDS, _ALL_SPEECHES, Authority.CONTRADICTED, ("AUTH-INVALID",)),
    Witnesses(frozenset({Signature.OTHERS}), _ALL_WORDS, _ALL_SPEECHES, Authority.CONTRADICTED, ("AUTH-OTHER-SIGNER",)),
    Witnesses(
        frozenset({Signature.OWN}),
        frozenset({HubWord.OTHER}),
        frozenset({Speech.DOCUMENT}),
        Authority.AUTHENTICATED,
        ("AUTH-SIGNED", "AUTH-OTHER-ANNOUNCED"),
    ),
    Witnesses(
        _ALL_SIGNATURES,
        frozenset({HubWord.OTHER}),
        _ALL_SPEECHES,
        Authority.CONTRADICTED,
        ("AUTH-OTHER-ANNOUNCED",),
    ),
    Witnesses(frozenset({Signature.OWN}), _ALL_WORDS, _ALL_SPEECHES, Authority.AUTHENTICATED, ("AUTH-SIGNED",)),
    Witnesses(_UNPROVEN, frozenset({HubWord.SENDER}), _ALL_SPEECHES, Authority.HUB_ANNOUNCED, ("AUTH-ANNOUNCED",)),
    Witnesses(_UNPROVEN, frozenset({HubWord.SILENT}), _ALL_SPEECHES, None, ("AUTH-UNCONFIRMED",)),
)

_SET_ASIDE, _KEPT, _COUNTS = Effect.SET_ASIDE, Effect.KEPT, Effect.COUNTS

# Documents and changes wait for a person; a status is confirmed, since the hub offers it again for ever otherwise.
EFFECTS: Mapping[Fault, Mapping[Speech, Effect]] = {
    fault: dict(zip(Speech, effects, strict=True))
    for fault, effects in {
        #                    document    change      take-back  status
        Fault.CONTRADICTED: (_SET_ASIDE, _SET_ASIDE, _KEPT, _KEPT),
        Fault.NO_PARTY: (_COUNTS, _SET_ASIDE, _KEPT, _KEPT),
        Fault.TOO_LITTLE: (_COUNTS, _COUNTS, _KEPT, _KEPT),
        Fault.NOT_ADDRESSED: (_SET_ASIDE, _SET_ASIDE, _KEPT, _KEPT),
        Fault.OLD: (_SET_ASIDE, _SET_ASIDE, _KEPT, _KEPT),
    }.items()
}

# Codes that end something for good, or ask for it (Decision 28/2018/QĐ-TTg).
GRAVE_CODES = frozenset({"02", "13", "15", "16"})

_RANKS: Mapping[Authority | None, int] = {
    Authority.AUTHENTICATED: 3,
    Authority.HUB_ANNOUNCED: 2,
    None: 1,
    Authority.CONTRADICTED: 0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the settings demand.

    Args:
        demands_proof: whether the policy is another than ``any``.
        for_grave_codes: the authority that the codes of `GRAVE_CODES` need then.
        refuses_not_addressed: whether what is addressed to others is refused.
        refuses_old: whether what was signed long before it came is refused.
        most_age: from when on that is long.
    """

    demands_proof: bool
    for_grave_codes: Authority = Authority.HUB_ANNOUNCED
    refuses_not_addressed: bool = False
    refuses_old: bool = False
    most_age: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What is known of a packet. Codes of one organisation are written alike.

    Args:
        speech: what it says.
        code: the status code; empty for a document.
        sender: the code in ``From.OrganId``.
        verdict: what its signatures are worth.
        signer: the organisation that the certificate is bound to; empty where it is bound to none.
        announced: the sender that the hub announced; empty where it announced none.
        addressees: to whom it is addressed; empty where it does not say.
        own: our code.
        parties: the parties of the document it speaks about who may say so; None where no such document is here.
        age: time from the signature to the packet's coming; None where nothing tells.
    """

    speech: Speech
    code: str
    sender: str
    verdict: VerificationStatus
    signer: str
    announced: str
    addressees: frozenset[str]
    own: str
    parties: frozenset[str] | None
    age: timedelta | None

    @property
    def signature(self) -> Signature:
        """What the signature says of the sender."""
        if self.signer and self.signer != self.sender:
            return Signature.OTHERS
        if self.verdict is VerificationStatus.INVALID:
            return Signature.BROKEN
        if self.verdict is not VerificationStatus.VALID:
            return Signature.NONE
        return Signature.OWN if self.signer else Signature.SOUND

    @property
    def hub_word(self) -> HubWord:
        """What the hub says of the sender."""
        if not self.announced:
            return HubWord.SILENT
        return HubWord.SENDER if self.announced == self.sender else HubWord.OTHER

    @property
    def is_addressed(self) -> bool:
        """Whether it is addressed to us, or says nothing of that."""
        return not self.addressees or self.own in self.addressees

    @property
    def is_of_party(self) -> bool:
        """Whether the sender may speak about the document, as far as that is here."""
        return self.parties is None or self.sender in self.parties

    def fill_detail(self, code: str) -> str:
        """Find the value that a finding shows."""
        values = {
            "AUTH-OTHER-SIGNER": self.signer,
            "AUTH-OTHER-ANNOUNCED": self.announced,
            "AUTH-NO-PARTY": self.sender,
            "AUTH-TOO-LITTLE": self.code,
            "NOT-ADDRESSED": ", ".join(sorted(self.addressees)),
            "SIG-OLD": str(self.age.days if self.age is not None else 0),
        }
        return values.get(code, self.sender)


@dataclass(frozen=True, slots=True)
class AuthorityFinding:
    """A remark about who vouches for a packet, or whom it is for.

    Args:
        code: a code of `FINDINGS`.
        detail: the value that was seen.
    """

    code: str
    detail: str = ""

    @property
    def message(self) -> str:
        """The finding in English."""
        return FINDINGS[self.code].en.replace("{detail}", as_one_line(self.detail))

    @property
    def message_vi(self) -> str:
        """The finding in Vietnamese."""
        return FINDINGS[self.code].vi.replace("{detail}", as_one_line(self.detail))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What was decided about a packet.

    Args:
        authority: who vouches for it; None where nobody does.
        effect: what becomes of it.
        findings: the reason of the authority, then what else was found.
        reason: the finding because of which it does not count; None where it does.
    """

    authority: Authority | None
    effect: Effect
    findings: tuple[AuthorityFinding, ...]
    reason: AuthorityFinding | None = None

    @property
    def counts(self) -> bool:
        """Whether the packet takes effect."""
        return self.effect is Effect.COUNTS

    @property
    def words(self) -> Text:
        """Why it does not count, in both languages."""
        return Text(self.reason.message, self.reason.message_vi) if self.reason is not None else Text("", "")


FINDINGS: Mapping[str, Text] = {
    "AUTH-SIGNED": Text(
        "It is signed with a certificate that is bound to {detail}.",
        "Gói tin được ký bằng chứng thư số gắn với {detail}.",
    ),
    "AUTH-ANNOUNCED": Text(
        "The hub announced {detail} as its sender; no signature proves it.",
        "Trục báo nơi gửi là {detail}; không có chữ ký nào chứng minh.",
    ),
    "AUTH-UNCONFIRMED": Text(
        "That it is of {detail}, only the packet itself says: neither a signature nor the hub.",
        "Chỉ có gói tin tự ghi nơi gửi là {detail}: không có chữ ký, trục cũng không báo.",
    ),
    "AUTH-INVALID": Text(
        "It says that it is of {detail}, and its signature does not hold.",
        "Gói tin ghi nơi gửi là {detail} nhưng chữ ký không hợp lệ.",
    ),
    "AUTH-OTHER-SIGNER": Text(
        "It is signed by another than the sender it names: {detail}.",
        "Người ký không phải nơi gửi ghi trong gói tin: {detail}.",
    ),
    "AUTH-OTHER-ANNOUNCED": Text(
        "The hub announced {detail} as its sender, which is another than the packet names.",
        "Trục báo nơi gửi là {detail}, khác nơi gửi ghi trong gói tin.",
    ),
    "AUTH-NO-PARTY": Text(
        "{detail} is no party of that document, so it may not say this about it.",
        "{detail} không phải một bên của văn bản đó nên không có quyền báo nội dung này.",
    ),
    "AUTH-TOO-LITTLE": Text(
        "Code {detail} counts only with more authority than this ([receive] statuses).",
        "Mã {detail} chỉ có hiệu lực khi được xác thực ở mức cao hơn ([receive] statuses).",
    ),
    "AUTH-DISPLACED": Text(
        "It takes the place of docId {detail}, another document under the same id that is attested less.",
        "Văn bản này thay cho docId {detail}, văn bản khác cùng mã văn bản và được xác thực kém hơn.",
    ),
    "AUTH-DISPLACED-HANDLED": Text(
        "It takes the place of docId {detail}, another document under the same id that is attested less and was "
        "handled already: undo what was done with that one.",
        "Văn bản này thay cho docId {detail}, văn bản khác cùng mã văn bản, được xác thực kém hơn và đã được xử lý: "
        "hãy hủy những việc đã làm với văn bản đó.",
    ),
    "HUB-REBUILT": Text(
        "The hub built this document anew, with its own number {detail} in the place of the id: names and addresses "
        "are those of its directory, a seal cannot hold, and later packets find it by sender, number and date.",
        "Trục đã dựng lại văn bản này và thay mã văn bản bằng số {detail} của trục: tên và địa chỉ lấy theo danh bạ "
        "của trục, dấu niêm phong không còn hợp lệ, các gói tin sau được đối chiếu theo nơi gửi, số ký hiệu và ngày.",
    ),
    "ID-SPELLING": Text(
        "It names a document otherwise than that is written; matched with {detail}.",
        "Gói tin ghi mã văn bản khác cách viết gốc; được đối chiếu với {detail}.",
    ),
    "NOT-ADDRESSED": Text(
        "It is addressed to {detail}, not to us.",
        "Gói tin gửi tới {detail}, không phải tới đơn vị.",
    ),
    "SAME-NUMBER": Text(
        "Another document of the same sender with this number and notation came under the id {detail}: see whether it "
        "is the same one.",
        "Nơi gửi này đã có văn bản cùng số, ký hiệu với mã văn bản {detail}: hãy kiểm tra xem có trùng văn bản không.",
    ),
    "SIG-OLD": Text(
        "It was signed {detail} days before it came.",
        "Gói tin được ký trước khi đến {detail} ngày.",
    ),
}
"""Every code that a ruling can give."""

_FAULT_CODES: Mapping[Fault, str] = {
    Fault.NO_PARTY: "AUTH-NO-PARTY",
    Fault.TOO_LITTLE: "AUTH-TOO-LITTLE",
    Fault.NOT_ADDRESSED: "NOT-ADDRESSED",
    Fault.OLD: "SIG-OLD",
}


def decide(claim: Claim, rules: Rules) -> Ruling:
    """Decide who vouches for a packet, and whether it takes effect.

    Args:
        claim: what is known of it.
        rules: what the settings demand.
    """
    row = next(row for row in WITNESSES if _fits(row, claim))
    faults = _find_faults(claim, row.authority, rules)
    codes = [*row.findings, *_find_remarks(claim, rules)]
    codes += [_FAULT_CODES[fault] for fault in faults if fault in _FAULT_CODES]
    stopping = [fault for fault in faults if EFFECTS[fault][claim.speech] is not Effect.COUNTS]
    findings = {code: AuthorityFinding(code, claim.fill_detail(code)) for code in codes}
    if not stopping:
        return Ruling(authority=row.authority, effect=Effect.COUNTS, findings=tuple(findings.values()))
    return Ruling(
        authority=row.authority,
        effect=EFFECTS[stopping[0]][claim.speech],
        findings=tuple(findings.values()),
        reason=findings[_FAULT_CODES.get(stopping[0], row.findings[0])],
    )


def is_better(one: Authority | None, other: Authority | None) -> bool:
    """Tell whether a packet is attested better than another."""
    return _RANKS[one] > _RANKS[other]


def _fits(row: Witnesses, claim: Claim) -> bool:
    return claim.signature in row.signatures and claim.hub_word in row.hub_words and claim.speech in row.speeches


def _find_faults(claim: Claim, authority: Authority | None, rules: Rules) -> list[Fault]:
    """Find what stands against a packet, the gravest first."""
    is_let_in = claim.speech is Speech.DOCUMENT and not rules.demands_proof
    needs_more = rules.demands_proof and claim.code in GRAVE_CODES and is_better(rules.for_grave_codes, authority)
    standing = {
        Fault.CONTRADICTED: authority is Authority.CONTRADICTED and not is_let_in,
        Fault.NO_PARTY: not claim.is_of_party,
        Fault.TOO_LITTLE: needs_more,
        Fault.NOT_ADDRESSED: rules.refuses_not_addressed and not claim.is_addressed,
        Fault.OLD: rules.refuses_old and _is_old(claim, rules),
    }
    return [fault for fault, stands in standing.items() if stands]


def _find_remarks(claim: Claim, rules: Rules) -> list[str]:
    remarks = {"NOT-ADDRESSED": not claim.is_addressed, "SIG-OLD": _is_old(claim, rules)}
    return [code for code, is_true in remarks.items() if is_true]


def _is_old(claim: Claim, rules: Rules) -> bool:
    return claim.age is not None and claim.age > rules.most_age


def build_refusal(hub_doc_id: str, ruling: Ruling) -> VerificationFailed:
    """Build the error for a packet that is set aside because it may not count."""
    words = ruling.words
    return VerificationFailed(
        f"docId {hub_doc_id} is not let in: {words.en} Ask the sender whether it sent this; correct [receive] in the "
        "settings, or the directory, where that is wrong, and call recheck().",
        vi=f"Không tiếp nhận docId {hub_doc_id}: {words.vi} Hãy hỏi nơi gửi có gửi gói tin này không; nếu cấu hình "
        "[receive] hoặc danh mục cơ quan chưa đúng thì sửa rồi gọi recheck().",
    )


# -- in the store


def as_authority_columns(ruling: Ruling) -> dict[str, Any]:
    """Express a ruling as columns of a receipt."""
    findings = [[finding.code, finding.detail] for finding in ruling.findings]
    return {
        "authority": ruling.authority,
        "authority_findings": json.dumps(findings, ensure_ascii=False),
        "took_effect": ruling.counts,
    }


def read_authority(row: ReceiptRow) -> Authority | None:
    """Read who vouches for a receipt; None where nobody does, and where it came before that was kept."""
    return Authority(row.authority) if row.authority else None


def read_findings(row: ReceiptRow) -> tuple[AuthorityFinding, ...]:
    """Read what was found about who vouches for a receipt; nothing where it came before that was kept."""
    return tuple(AuthorityFinding(code, detail) for code, detail in json.loads(row.authority_findings or "[]"))
