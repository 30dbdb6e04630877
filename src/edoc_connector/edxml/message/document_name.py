"""Names of documents in packets that speak about them, compared however their writers spelt them.

A packet names a document by DocumentId, else by organisation, number/notation and date. Systems write both in other
ways than the sender did ("Seen in the wild"): the name is normalised here, and nothing is looked up.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from .dates import parse_date
from .document_id import compose_document_id

_TOLERANCE = timedelta(days=1)
_DASHES = str.maketrans("\u2010\u2011\u2012\u2013\u2014\u2212", "------")


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentName:
    """A document as a packet names it; empty parts are not stated.

    Args:
        document_id: DocumentId, as it stands in the packet.
        organ_id: the organisation that issued it.
        code: number and notation, ``7816/VPCP-TTĐT``.
        issued_on: date of promulgation.
        is_exchanged: whether organisation and code stood in each other's place.
    """

    document_id: str = ""
    organ_id: str = ""
    code: str = ""
    issued_on: date | None = None
    is_exchanged: bool = False

    @classmethod
    def from_parts(
        cls,
        *,
        document_id: str | None = None,
        organ_id: str | None = None,
        code: str | None = None,
        issued_on: date | None = None,
    ) -> DocumentName:
        """Build the name of the parts of a packet; those that are missing are taken from a composed DocumentId.

        Organisation and code change places where only the first looks like a code.
        """
        from_id = _split_composed_id(document_id or "")
        stated_organ_id = organ_id or ""
        organ_id, code = _put_in_order(stated_organ_id, code or "")
        return cls(
            document_id=(document_id or "").strip(),
            organ_id=organ_id or from_id.organ_id,
            code=code or from_id.code,
            issued_on=issued_on or from_id.issued_on,
            is_exchanged=organ_id != stated_organ_id,
        )

    @property
    def id_spellings(self) -> frozenset[str]:
        """The spellings of the DocumentId to look for, the given one among them; none where there is no id."""
        if not self.document_id:
            return frozenset()
        found = {self.document_id, *(unicodedata.normalize(form, self.document_id) for form in ("NFC", "NFD"))}
        if (parsed := _parse_uuid(self.document_id)) is not None:
            plain = (str(parsed), parsed.hex)
            found |= {spelt for one in (*plain, f"{{{parsed}}}") for spelt in (one, one.upper())}
        composed = _split_composed_id(self.document_id)
        if composed.code and composed.issued_on:
            number, _, notation = composed.code.partition("/")
            found.add(compose_document_id(composed.organ_id, composed.issued_on, number, notation))
        return frozenset(found)

    def fits_id(self, document_id: str) -> bool:
        """Tell whether the DocumentId is another one, written otherwise."""
        return bool(self.document_id) and normalise_document_id(self.document_id) == normalise_document_id(document_id)

    def fits_code(self, code: str) -> bool:
        """Tell whether number and notation are others, written otherwise."""
        return bool(self.code) and normalise_code(self.code) == normalise_code(code)

    @property
    def days(self) -> tuple[date, date] | None:
        """The first and the last day to look for: the date, give or take a day; None where no date is stated."""
        if self.issued_on is None:
            return None
        earliest, latest = date.min + _TOLERANCE, date.max - _TOLERANCE
        day = min(max(self.issued_on, earliest), latest)
        return day - _TOLERANCE, day + _TOLERANCE


def normalise_document_id(document_id: str) -> str:
    """Normalise a DocumentId so that two spellings of one are equal: UUIDs as hex, others as their parts."""
    parsed = _parse_uuid(document_id)
    if parsed is not None:
        return parsed.hex
    composed = _split_composed_id(document_id)
    if composed.code and composed.issued_on:
        return f"{_fold(composed.organ_id)},{composed.issued_on},{normalise_code(composed.code)}"
    return _fold(document_id)


def normalise_code(code: str) -> str:
    """Normalise number and notation: case, Unicode form, spaces, dashes and leading zeros carry no meaning."""
    number, slash, notation = _fold(code).partition("/")
    return f"{number.lstrip('0') or number[-1:]}{slash}{notation}"


def _fold(text: str) -> str:
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return "".join(folded.translate(_DASHES).split())


def _parse_uuid(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def _split_composed_id(document_id: str) -> DocumentName:
    """Split ``OrganId,date,number/notation``, in whatever order and form; nothing where it is no such id."""
    parts = [part.strip() for part in document_id.split(",", 2)]
    day = parse_date(parts[1]) if len(parts) == 3 else None
    if day is None:
        return DocumentName()
    organ_id, code = _put_in_order(parts[0], parts[2])
    return DocumentName(organ_id=organ_id, code=code, issued_on=day) if "/" in code else DocumentName()


def _put_in_order(organ_id: str, code: str) -> tuple[str, str]:
    """Exchange organisation and code where the first has the slash of a code, and the second has none."""
    return (code, organ_id) if "/" in organ_id and "/" not in code else (organ_id, code)
