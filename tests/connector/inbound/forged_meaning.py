"""A corpus of forged meaning: who says what about whose document, who signs, whom the hub announces, who is addressed.

Every packet is sound XML with sound base64; what is forged is who speaks. We are H29.05. G22 is the correspondent: it
sent us documents, and we sent it some. H30 is another agency with a key and an account at the hub of its own. `RULES`
reads like the business rules ("Who may say what"): the first line that fits a packet says what is right. It was written
from those rules, and shares nothing with the tables of the library.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

OWN, CORRESPONDENT, OUTSIDER = "H29.05", "G22", "H30"

DOCUMENTS = ("document", "recall", "update", "replace")
STATUSES = ("03", "02", "16", "13")
ABOUT_OTHERS = ("recall", "update", "replace", "03", "02", "13")

# What the packet says, who speaks (a party of the document it speaks about, or a stranger to it), who signs it, whom
# the hub announces as its sender, whom it addresses: who vouches for it, and whether it counts. ``*`` is anything,
# ``word`` anything but a new document, ``packet`` what travels as a document, ``grave`` a status that ends something.
RULES = """
*        | *        | broken  | *       | *      : contradicted  | nothing  # what was changed is nobody's word
*        | *        | another | *       | *      : contradicted  | nothing  # another signs for the sender
document | *        | own     | another | us     : authenticated | counts   # it says the same wherever it travels
document | *        | own     | another | others : authenticated | nothing  # another packet's body
*        | *        | *       | another | *      : contradicted  | nothing  # another handed it in
word     | stranger | own     | *       | *      : authenticated | nothing  # a stranger's own word on others' document
word     | stranger | none    | sender  | *      : hub-announced | nothing  # the same
*        | *        | own     | *       | *      : authenticated | counts   # addressed to others: reported
packet   | *        | none    | sender  | *      : hub-announced | nothing  # the policy demands signatures
packet   | *        | none    | nobody  | *      : -             | nothing  # the same
*        | *        | none    | sender  | *      : hub-announced | counts   # nearly every status: the hub's word
grave    | *        | none    | nobody  | *      : -             | nothing  # nobody vouches for what ends something
*        | *        | none    | nobody  | *      : -             | counts   # shown as that
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgedPacket:
    """One packet of the corpus.

    Args:
        number: its place in the corpus.
        what: ``document``, ``recall``, ``update`` or ``replace``, or a status code.
        speaker: ``party`` or ``stranger`` of the document it speaks about.
        signer: ``own`` (the speaker), ``another``, ``broken`` (the speaker's, one byte changed) or ``none``.
        announced: ``sender``, ``another`` or ``nobody``.
        addressed: ``us`` or ``others``.
    """

    number: int
    what: str
    speaker: str
    signer: str
    announced: str
    addressed: str

    @property
    def name(self) -> str:
        """What it is, in a line."""
        return f"{self.what} of a {self.speaker}, signed {self.signer}, announced {self.announced}, to {self.addressed}"

    @property
    def sender(self) -> str:
        """The code that it names as its sender."""
        return CORRESPONDENT if self.speaker == "party" else OUTSIDER

    @property
    def other(self) -> str:
        """The code of another than its sender."""
        return OUTSIDER if self.speaker == "party" else CORRESPONDENT

    @property
    def announced_code(self) -> str:
        """The code that the hub announces."""
        return {"sender": self.sender, "another": self.other, "nobody": ""}[self.announced]

    @property
    def is_packet(self) -> bool:
        """Whether it travels as a document."""
        return self.what in DOCUMENTS

    def find_right(self) -> tuple[str | None, bool]:
        """Find what is right: who vouches for it, and whether it counts."""
        for line in RULES.strip().splitlines():
            condition, _, outcome = line.partition("#")[0].partition(":")
            if all(map(self._fits, ("what", "speaker", "signer", "announced", "addressed"), _split(condition))):
                authority, effect = _split(outcome)
                return None if authority == "-" else authority, effect == "counts"
        raise LookupError(self.name)

    def _fits(self, column: str, wanted: str) -> bool:
        groups = {
            "*": True,
            "word": self.what != "document",
            "packet": self.is_packet,
            "grave": self.what in ("02", "13", "15", "16"),
        }
        return groups.get(wanted, str(getattr(self, column)) == wanted)


def _split(cells: str) -> list[str]:
    return [cell.strip() for cell in cells.split("|")]


def build_corpus() -> tuple[ForgedPacket, ...]:
    """Build the corpus: 200 packets."""
    signers, announced, addressed = (
        ("own", "another", "broken", "none"),
        ("sender", "another", "nobody"),
        ("us", "others"),
    )
    every = [
        *product(("document", *ABOUT_OTHERS), ("party",), signers, announced, addressed),
        *product(ABOUT_OTHERS, ("stranger",), ("own", "none"), ("sender", "another"), ("us",)),
        *product(("16",), ("party",), signers, ("sender", "nobody"), ("us",)),
    ]
    columns = ("what", "speaker", "signer", "announced", "addressed")
    return tuple(
        ForgedPacket(number=number, **dict(zip(columns, row, strict=True))) for number, row in enumerate(every)
    )


CORPUS = build_corpus()
