"""Control files: a JSON or CSV file that says what is to be done, and with which files beside it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._core import decode_table, split_table
from .columns import COLUMNS, drop_empty, find_column, split_list
from .problems import ItemProblem
from .shared_files import is_unfinished

ENDINGS = (".json", ".csv")
MAX_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to do.

    Args:
        number: number of the line, or of the object, from 1.
        values: fields by name.
        files: names of files beside the control file; None where it does not say.
    """

    number: int
    values: Mapping[str, Any]
    files: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class ControlFile:
    """What a control file says.

    Args:
        entries: what is to be done.
        is_list: whether there may be several.
        rows: of a CSV file its lines, the head first; empty for JSON.
        objects: of JSON the objects.
    """

    entries: tuple[Entry, ...]
    is_list: bool
    rows: tuple[tuple[str, ...], ...] = ()
    objects: tuple[Any, ...] = ()

    def format_part(self, numbers: Sequence[int]) -> str:
        """Format a control file of some of the entries."""
        if not self.rows:
            return json.dumps([self.objects[number - 1] for number in numbers], ensure_ascii=False, indent=2) + "\n"
        out = io.StringIO()
        csv.writer(out).writerows([self.rows[0], *(self.rows[number - 1] for number in numbers)])
        return "\ufeff" + out.getvalue()  # by which Excel knows UTF-8


def is_control_file(name: str) -> bool:
    """Whether a name is that of a control file."""
    return Path(name).suffix.casefold() in ENDINGS


def read_control_file(path: Path) -> ControlFile:
    """Read a control file.

    Raises:
        ItemProblem: it cannot be used; says why.
        OSError: the share does not give it.
    """
    text = _decode(path)
    return _parse_csv(text) if path.suffix.casefold() == ".csv" else _parse_json(text)


def _decode(path: Path) -> str:
    if path.stat().st_size > MAX_BYTES:
        raise ItemProblem(
            f"it is larger than {MAX_BYTES >> 20} MiB: split it.",
            vi=f"Tệp lớn hơn {MAX_BYTES >> 20} MiB: hãy chia nhỏ.",
        )
    try:
        return decode_table(path.read_bytes())
    except UnicodeDecodeError:
        raise ItemProblem(
            "it is not UTF-8 text: save it as UTF-8 (in Excel: CSV UTF-8).",
            vi="Tệp không phải văn bản UTF-8: hãy lưu lại dạng UTF-8 (trong Excel: CSV UTF-8).",
        ) from None


def _parse_json(text: str) -> ControlFile:
    try:
        value = json.loads(text)
        _require_shallow(value)
    except (ValueError, RecursionError) as error:
        where = f"{error.lineno}:{error.colno}" if isinstance(error, json.JSONDecodeError) else "?"
        raise ItemProblem(
            f"it is not JSON (line:column {where}): correct it.", vi=f"Không phải JSON (dòng:cột {where}): hãy sửa lại."
        ) from None
    objects = value if isinstance(value, list) else [value]
    if not objects or not all(isinstance(one, dict) for one in objects):
        raise ItemProblem(
            "it holds no object: write one object with the fields of the document, or a list of such.",
            vi="Không có đối tượng nào: hãy ghi một đối tượng gồm các trường của văn bản, hoặc danh sách đối tượng.",
        )
    entries = tuple(_build_entry(number, one) for number, one in enumerate(objects, 1))
    return ControlFile(entries, isinstance(value, list), objects=tuple(objects))


_MOST_LEVELS = 32


def _require_shallow(value: Any) -> None:
    """Require values that any program can write again: one that is nested too deeply cannot be set aside.

    Raises:
        ValueError: they are nested deeper than any document.
    """
    level = [value]
    for _ in range(_MOST_LEVELS):
        level = [child for one in level for child in _list_children(one)]
        if not level:
            return
    raise ValueError("it is nested too deeply")


def _list_children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _build_entry(number: int, values: Mapping[str, Any]) -> Entry:
    given = drop_empty(values)
    files = given.pop("files", None)
    if files is None:
        return Entry(number, given, None)
    names = split_list(files) if isinstance(files, str) else files
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ItemProblem(
            f"entry {number}: `files` is a list of names of files.", vi=f"mục {number}: `files` là danh sách tên tệp."
        )
    return Entry(number, given, tuple(map(_require_plain_name, names)))


def _require_plain_name(name: str) -> str:
    """Require the name of a file beside the control file: a path could lead anywhere on this machine."""
    if "/" in name or "\\" in name or ":" in name or "\0" in name or is_unfinished(name):
        raise ItemProblem(
            f"{name!r} is not the name of a file beside this one: give the name alone, without a path.",
            vi=f"{name!r} không phải tên tệp nằm cùng thư mục: chỉ ghi tên tệp, không ghi đường dẫn.",
        )
    return name


def _parse_csv(text: str) -> ControlFile:
    rows = _split_rows(text)
    if len(rows) < 2:
        raise ItemProblem(
            "it has no line below its head: the first line names the columns, each further one is a document.",
            vi="Không có dòng dữ liệu: dòng đầu là tên cột, mỗi dòng sau là một văn bản.",
        )
    fields = [find_column(name) for name in rows[0]]
    unknown = [name for name, field in zip(rows[0], fields, strict=True) if field is None and name.strip()]
    if unknown or len({*fields} - {None}) < len([field for field in fields if field]):
        known = ", ".join(one.name for one in COLUMNS)
        raise ItemProblem(
            f"unknown or repeated columns: {', '.join(unknown) or 'a name stands twice'}. Known are: {known}.",
            vi=f"Cột không có hoặc bị lặp: {', '.join(unknown) or 'một tên xuất hiện hai lần'}. Các cột: {known}.",
        )
    entries = []
    for number, row in enumerate(rows[1:], 2):
        if any(cell.strip() for cell in row):
            named = {field: cell.strip() for field, cell in zip(fields, row, strict=False) if field}
            entries.append(_build_entry(number, named))
    return ControlFile(tuple(entries), True, rows=tuple(map(tuple, rows)))


def _split_rows(text: str) -> list[list[str]]:
    try:
        return split_table(text)
    except csv.Error as error:
        raise ItemProblem(f"it is not CSV: {error}. Correct it.", vi=f"Không phải CSV: {error}. Hãy sửa lại.") from None
