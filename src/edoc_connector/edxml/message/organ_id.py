"""Codes of organisations (OrganId): the two systems in use, and other codes that hubs hand out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ..._core import Labelled, Page, Text, label_members
from ...errors import InvalidQuery


@label_members(
    {
        "QCVN 102:2016": Text("QCVN 102:2016", "QCVN 102:2016"),
        "20/2020/QĐ-TTg": Text("Decision 20/2020/QĐ-TTg", "Quyết định 20/2020/QĐ-TTg"),
        "other": Text("another form", "dạng khác"),
    }
)
class CodeSystem(Labelled, StrEnum):
    """The systems of codes."""

    QCVN_102 = "QCVN 102:2016"
    """Four dot-separated groups of 3.2.2.3 characters, lowest level first: ``000.00.00.H29``."""
    QD_20 = "20/2020/QĐ-TTg"
    """Highest level first: ``H29``, ``H29.05``, ``H29.05.01``…"""
    OTHER = "other"
    """Any other shape; test hubs hand out such codes."""


_SHAPES = (
    (CodeSystem.QCVN_102, re.compile(r"[0-9A-Z]{3}\.[0-9A-Z]{2}\.[0-9A-Z]{2}\.[0-9A-Z]{3}")),
    (CodeSystem.QD_20, re.compile(r"[A-Z][0-9]{2}(\.[0-9]{1,4})*")),
)

_WELL_FORMED = re.compile(r"[0-9A-Za-z]+(?:[._-][0-9A-Za-z]+)*")
_LOOKALIKES = str.maketrans("OIL", "011")
MAX_CODE_LENGTH = 100
"""Most characters of a code of any shape."""


@dataclass(frozen=True, slots=True)
class OrganId:
    """The code of an organisation.

    Only a hub's directory maps a code of one system to the other; no rule computes the mapping.

    Args:
        value: the code, trimmed and in upper case where its system has upper case only.
        system: the system of the code.
    """

    value: str
    system: CodeSystem

    @classmethod
    def parse(cls, text: str) -> OrganId:
        """Parse a code; one of an unknown shape is `CodeSystem.OTHER` and is kept as written."""
        trimmed = text.strip()
        # in capitals a few letters of other alphabets become ours: "ſ29" is not S29
        upper = trimmed.upper() if trimmed.isascii() else trimmed
        for system, shape in _SHAPES:
            if shape.fullmatch(upper):
                return cls(upper, system)
        return cls(trimmed, CodeSystem.OTHER)

    @property
    def groups(self) -> tuple[str, ...]:
        """The dot-separated groups, highest level first."""
        parts = tuple(self.value.split("."))
        return parts[::-1] if self.system is CodeSystem.QCVN_102 else parts

    @property
    def is_well_formed(self) -> bool:
        """Whether the code is made of ASCII letters and digits in groups, as the codes of every system are.

        A letter of another alphabet that looks like ours, an invisible character or a dot at the end makes a code that
        a person takes for another.
        """
        return len(self.value) <= MAX_CODE_LENGTH and _WELL_FORMED.fullmatch(self.value) is not None

    @property
    def spelling(self) -> tuple[str, ...]:
        """The groups as a hasty reader takes them: the same for ``H29.05``, ``h29.5``, ``H29-005`` and ``H29.O5``."""
        alike = self.value.upper().translate(_LOOKALIKES)
        return tuple(group.lstrip("0") for group in re.split("[._-]", alike))

    def __str__(self) -> str:
        return self.value


class _AgencyCodes(Protocol):
    """An agency as a directory lists it, with its code of either system."""

    @property
    def code(self) -> str: ...
    @property
    def other_code(self) -> str | None: ...


class Directory:
    """The codes of the two systems, paired as a hub's directory pairs them.

    ``Directory(connector.iter_directory())`` makes one of the hub's directory. An agency that is marked inactive is
    left out; a code that the directory pairs with two others of one system maps to none of them. Two codes of one
    system are two agencies, whatever the directory says: it is a hub's word, and shall not make one of the other.

    Args:
        agencies: the agencies of a hub's directory, all of them.

    Raises:
        InvalidQuery: it is one page of them, and there are more.
    """

    def __init__(self, agencies: Iterable[_AgencyCodes]) -> None:
        if isinstance(agencies, Page) and agencies.next is not None:
            raise InvalidQuery(
                "this is one page of the directory, and a code may be paired on another: give "
                "connector.iter_directory().",
                vi="Đây chỉ là một trang của danh bạ, mã có thể được ghép ở trang khác: hãy dùng "
                "connector.iter_directory().",
            )
        self._paired_codes: dict[OrganId, set[OrganId]] = {}
        for agency in agencies:
            if not getattr(agency, "active", True):
                continue
            codes = {OrganId.parse(text) for text in (agency.code, agency.other_code) if text and text.strip()}
            for code in codes:
                self._paired_codes.setdefault(code, set()).update(codes - {code})

    def __contains__(self, code: OrganId | str) -> bool:
        return _as_organ_id(code) in self._paired_codes

    def codes(self, code: OrganId | str) -> frozenset[OrganId]:
        """List all codes of the agency with this code; the code alone where the directory does not know it."""
        parsed = _as_organ_id(code)
        return frozenset({parsed, *(one for one in self._list_partners(parsed) if self._is_only_pair(parsed, one))})

    def _list_partners(self, code: OrganId) -> list[OrganId]:
        return [one for one in self._paired_codes.get(code, ()) if one.system is not code.system]

    def _is_only_pair(self, code: OrganId, partner: OrganId) -> bool:
        """Whether of either system no further code is paired with the other one."""
        return [one for one in self._list_partners(code) if one.system is partner.system] == [partner] and [
            one for one in self._list_partners(partner) if one.system is code.system
        ] == [code]

    def convert(self, code: OrganId | str, system: CodeSystem) -> OrganId | None:
        """Convert an agency's code to a system; None where the directory lists no code of the system, or several."""
        found = [one for one in self.codes(code) if one.system is system]
        return found[0] if len(found) == 1 else None

    def same(self, one: OrganId | str, other: OrganId | str) -> bool:
        """Tell whether two codes are those of one agency, as far as the directory knows."""
        return _as_organ_id(one) in self.codes(other)


def _as_organ_id(code: OrganId | str) -> OrganId:
    return code if isinstance(code, OrganId) else OrganId.parse(code)


def find_hidden_character(text: str) -> str:
    """Find a space, a line end or an invisible letter in a code, empty if none: they make it another one at the hub."""
    return next((letter for letter in text if letter.isspace() or not letter.isprintable()), "")


def find_doubt(text: str) -> str:
    """Find the code of the finding for a doubtful OrganId, empty if none; no shape is refused."""
    return "EDX-ORGAN-ID" if OrganId.parse(text).system is CodeSystem.OTHER else ""
