"""A list of agencies of our own, as CSV: with commas, semicolons or tabs, as spreadsheets write it."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ..._core import Text
from ...edxml import OrganId
from ...errors import AgencyListError, describe_system_error_vi
from ...store import DirectoryEntry, fold
from .messages import (
    ENDS_BEFORE,
    NO_CODE,
    NO_CODES,
    NO_DATE,
    NO_TEXT,
    ODD_CODE,
    ODD_QUOTES,
    OWN_HEIR,
    SURPLUS,
    TOO_LARGE,
    TWICE,
    build_unreadable_list_error,
)

_MAX_BYTES = 64 * 1024 * 1024
_SHOWN = 10  # problems in the message; all are in the error

# Heads of columns, folded, by the field that they stand for. The first is the one that the documentation names.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "code": ("code", "ma", "ma dinh danh", "ma don vi", "ma cu", "old code", "organid"),
    "name": ("name", "ten", "ten don vi", "ten co quan"),
    "other_code": ("other code", "ma khac", "ma he thong khac"),
    "parent": ("parent", "cap tren", "ma cap tren", "don vi cap tren"),
    "email": ("email", "thu dien tu"),
    "valid_from": ("from", "valid from", "tu ngay", "ngay bat dau", "hieu luc tu"),
    "valid_to": ("to", "valid to", "den ngay", "ngay ket thuc", "het hieu luc"),
    "successor": ("successor", "ma ke thua", "ma moi", "new code", "thay bang"),
}
_FIELD_BY_HEAD = {head: field for field, heads in COLUMNS.items() for head in heads}
_DATES = (
    re.compile(r"(?P<day>\d{1,2})[/.-](?P<month>\d{1,2})[/.-](?P<year>\d{4})"),
    re.compile(r"(?P<year>\d{4})[/.-](?P<month>\d{1,2})[/.-](?P<day>\d{1,2})"),
)
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True, slots=True, kw_only=True)
class LineProblem:
    """A line of a list that cannot be used.

    Args:
        line: its number in the file, counted from 1.
        column: the head of the column, as it is written; empty where the line as a whole is meant.
        value: what stands there.
        message: what is wrong, in English.
        message_vi: the same in Vietnamese.
    """

    line: int
    column: str
    value: str
    message: str
    message_vi: str

    @classmethod
    def build(cls, line: int, text: Text, *, column: str = "", value: str = "") -> LineProblem:
        """Build one of a text."""
        return cls(line=line, column=column, value=value, message=text.en, message_vi=text.vi)

    @property
    def text(self) -> Text:
        """The problem in words, with its place."""
        place = " ".join(part for part in (self.column, f"“{self.value}”" if self.value else "") if part)
        return Text(
            f"line {self.line}: {place} {self.message}".replace("  ", " "),
            f"dòng {self.line}: {place} {self.message_vi}".replace("  ", " "),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnList:
    """A list that was read.

    Args:
        entries: its agencies.
        ignored_columns: heads of columns that mean nothing here.
    """

    entries: tuple[DirectoryEntry, ...]
    ignored_columns: tuple[str, ...] = ()


def read_own_list(path: Path) -> OwnList:
    """Read a list of agencies.

    Raises:
        AgencyListError: it cannot be read, or lines of it cannot be used; names each line.
    """
    text = _read_text(path)
    delimiter, skipped = _find_delimiter(text)
    lines = _iterate_lines(text, delimiter, skipped)
    _, heads = next(lines, (1, []))
    fields = [_FIELD_BY_HEAD.get(fold(head), "") for head in heads]
    if "code" not in fields:
        raise build_unreadable_list_error(path.name, NO_CODES)
    reader = _LineReader(heads, fields)
    reader.read(lines)
    reader.find_circles()
    if reader.problems:
        raise _build_error(path.name, sorted(reader.problems, key=lambda problem: problem.line))
    ignored = tuple(head for head, field in zip(heads, fields, strict=True) if head.strip() and not field)
    return OwnList(entries=tuple(entry for _, entry in reader.entries.values()), ignored_columns=ignored)


class _LineReader:
    """Reads the lines below the first one, and gathers what is wrong with them.

    Args:
        heads: the first line.
        fields: the field that each column stands for; empty for none.
    """

    def __init__(self, heads: Sequence[str], fields: Sequence[str]) -> None:
        self._heads = dict(zip(reversed(fields), reversed(heads), strict=True))
        self._fields = fields
        self.entries: dict[str, tuple[int, DirectoryEntry]] = {}
        self.problems: list[LineProblem] = []

    def read(self, lines: Iterator[tuple[int, list[str]]]) -> None:
        """Read the lines."""
        try:
            for number, cells in lines:
                if any(cell.strip() for cell in cells):
                    self._read_line(number, cells)
        except _OddQuotesError as error:
            self._report(error.line, ODD_QUOTES)

    def find_circles(self) -> None:
        """Find codes whose successors lead back to them."""
        for code, (number, entry) in self.entries.items():
            if code in self._list_heirs(entry.successor):
                self._report(number, OWN_HEIR, "successor", entry.successor or "")

    def _list_heirs(self, successor: str | None) -> set[str]:
        """List the codes that successors lead to, over as many reforms as the list names."""
        seen, waiting = set[str](), (successor or "").split()
        while waiting:
            code = waiting.pop()
            if code not in seen:
                seen.add(code)
                waiting += (self.entries[code][1].successor or "").split() if code in self.entries else []
        return seen

    def _read_line(self, number: int, cells: Sequence[str]) -> None:
        if any(cell.strip() for cell in cells[len(self._fields) :]):
            self._report(number, SURPLUS)
            return
        values = {field: cell.strip() for field, cell in zip(self._fields, cells, strict=False) if field}
        problems_before = len(self.problems)
        code, other_code, parent = (self._read_code(number, field, values) for field in _CODES)
        successor = self._read_successors(number, values)
        first, last = (self._read_date(number, field, values) for field in ("valid_from", "valid_to"))
        if code is None:
            if len(self.problems) == problems_before:
                self._report(number, NO_CODE)
            return
        if first is not None and last is not None and last < first:
            self._report(number, ENDS_BEFORE)
        entry = DirectoryEntry(
            code=code,
            name=values.get("name", ""),
            other_code=other_code,
            parent=parent,
            email=values.get("email") or None,
            valid_from=first,
            valid_to=last,
            successor=successor,
        )
        if code in self.entries and self.entries[code][1] != entry:
            self._report(number, TWICE, "code", code)
        self.entries.setdefault(code, (number, entry))

    def _read_successors(self, number: int, values: Mapping[str, str]) -> str | None:
        """Read the codes that took a code's place: more than one where it was split."""
        texts = filter(None, _BETWEEN_CODES.split(values.get("successor", "")))
        codes = [self._read_code(number, "successor", {"successor": text}) for text in texts]
        return " ".join(dict.fromkeys(code for code in codes if code is not None)) or None

    def _read_code(self, number: int, field: str, values: Mapping[str, str]) -> str | None:
        text = values.get(field, "")
        if not text:
            return None
        parsed = OrganId.parse(text)
        if not parsed.is_well_formed:
            self._report(number, ODD_CODE, field, text)
            return None
        return parsed.value

    def _read_date(self, number: int, field: str, values: Mapping[str, str]) -> date | None:
        text = values.get(field, "")
        found = parse_date(text)
        if text and found is None:
            self._report(number, NO_DATE, field, text)
        return found

    def _report(self, number: int, text: Text, field: str = "", value: str = "") -> None:
        self.problems.append(LineProblem.build(number, text, column=self._heads.get(field, ""), value=value))


_CODES = ("code", "other_code", "parent")
_BETWEEN_CODES = re.compile(r"[\s,;+/]+")


class _OddQuotesError(Exception):
    """The quotation marks of a line do not close.

    Args:
        line: its number.
    """

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def parse_date(text: str) -> date | None:
    """Parse a day as people and spreadsheets write it; None where it is none."""
    for form in _DATES:
        match = form.fullmatch(text.removesuffix(" 00:00:00").removesuffix(" 0:00"))
        if match is not None:
            try:
                return date(**{name: int(value) for name, value in match.groupdict().items()})
            except ValueError:
                return None
    return None


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        why = Text(error.strerror or str(error), describe_system_error_vi(error))
        raise build_unreadable_list_error(path.name, why) from error
    if len(data) > _MAX_BYTES:
        raise build_unreadable_list_error(path.name, TOO_LARGE)
    encoding = next((name for bom, name in _BOMS if data.startswith(bom)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise build_unreadable_list_error(path.name, NO_TEXT) from error
    if "\0" in text:
        raise build_unreadable_list_error(path.name, NO_TEXT)
    return text


def _find_delimiter(text: str) -> tuple[str, int]:
    """Find what parts the cells of the first line, and how many lines stand before it: Excel's ``sep=;`` names it."""
    first = text.partition("\n")[0].strip()
    named = re.fullmatch(r"sep=(.)", first, re.IGNORECASE)
    if named is not None:
        return named[1], 1
    return max(";\t,", key=lambda letter: (first.count(letter), letter == ";")), 0


def _iterate_lines(text: str, delimiter: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Give each line with its number; a cell may go over several lines."""
    lines = text.splitlines(keepends=True)[skipped:]
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    number = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _OddQuotesError(number + skipped) from error
        yield number + skipped, cells
        number = reader.line_num + 1


def _build_error(name: str, problems: Sequence[LineProblem]) -> AgencyListError:
    shown = [problem.text for problem in problems[:_SHOWN]]
    more = len(problems) - len(shown)
    rest = (f"; and {more} more", f"; và {more} dòng khác") if more else ("", "")
    return AgencyListError(
        f"{name}: nothing was taken over. " + "; ".join(text.en for text in shown) + rest[0],
        vi=f"{name}: chưa nhập gì. " + "; ".join(text.vi for text in shown) + rest[1],
        problems=problems,
    )
