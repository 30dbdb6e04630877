"""Items that are put into the folder: taken when they are whole, done once, archived or set aside.

An item is a control file and the files that it names. It moves by renaming only: from ``out`` to a folder of its own
in ``.edoc/work``, the control file first, and from there to ``archive`` or ``error`` as one. In between it is done by
calls that may be repeated. So a program that ends anywhere finds everything where the next one looks for it.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .._core import Text, get_logger, log_exception
from ..config import FolderSettings
from ..connector import Connector
from ..edxml import VIETNAM
from ..errors import AttachmentError, ConfigError, DocumentIdConflict, EdocError, SigningError, StoreError
from .actions import Errand
from .columns import find_action
from .control_file import ControlFile, Entry, is_control_file, read_control_file
from .layout import Layout
from .problems import ERROR_ENDING, ItemProblem, describe_fault, format_error_file
from .shared_files import (
    PART,
    FileSign,
    is_usable_name,
    list_files,
    make_folder,
    move,
    remove,
    remove_parts,
    shorten_name,
    write_file,
    write_json,
)
from .tracker import FileTracker

log = get_logger("edoc_connector.folder")

_ORIGIN = ".item.json"
_WHOLE = 0  # number of a problem that is of the item as a whole


@dataclass(frozen=True, slots=True)
class _Item:
    """An item in its folder of work.

    Args:
        folder: the folder.
        department: whose folder it was put into.
        control: name of the control file; empty where files came without one.
    """

    folder: Path
    department: str
    control: str

    @property
    def name(self) -> str:
        """What the item is called."""
        return Path(self.control).stem if self.control else "files"

    @property
    def is_taken(self) -> bool:
        """Whether the control file is here; without one, whether anything is."""
        if self.control:
            return (self.folder / self.control).is_file()
        return bool(list_files(self.folder))


class OutgoingItems:
    """Takes items from the folder of an agency, and does what they ask for.

    Args:
        connector: of the agency.
        layout: the folders.
        settings: the section ``[watch_folder]``.
        tracker: how files looked before.
    """

    def __init__(self, connector: Connector, layout: Layout, settings: FolderSettings, tracker: FileTracker) -> None:
        self._connector = connector
        self._layout = layout
        self._settings = settings
        self._tracker = tracker

    def clean_up(self) -> None:
        """Remove what an earlier program left unfinished; nothing of it was taken by then.

        Raises:
            OSError: the share does not answer.
        """
        remove_parts(self._layout.work)

    def take(self) -> None:
        """Take the items that are whole.

        Raises:
            OSError: the share does not answer.
        """
        for department in self._layout.list_departments():
            self._take_from(department)

    def finish(self) -> int:
        """Do the items that were taken, the oldest first; one that fails stops no other.

        Returns:
            How many were archived or set aside.
        """
        finished = 0
        for folder in sorted(self._layout.work.iterdir()):
            if folder.name.startswith(PART) or not folder.is_dir():  # shares and desktops leave files everywhere
                continue
            try:
                finished += self._finish(folder)
            except (OSError, StoreError, SigningError, ConfigError) as error:
                log.warning("an item of the watched folder waits: %s", _describe(error))
            except Exception as error:  # a mistake of ours in one item must not keep all others
                log_exception(log, logging.ERROR, "an item of the watched folder failed", error=error)
        return finished

    # -- taking

    def _take_from(self, department: str) -> None:
        folder = self._layout.outgoing / department
        files = list_files(folder)
        self._tracker.look(folder, files)
        spoken_for: set[str] = set()
        for name in sorted(filter(is_control_file, files)):
            try:
                wanted, is_whole = self._examine(folder, name, files)
                spoken_for |= wanted
                if is_whole:
                    self._claim(department, name, sorted(wanted & files.keys()))
            except OSError as error:  # of one file, which we may not read or take: the others do not wait for it
                spoken_for |= _list_same_stem(name, files)
                log.warning("an item of the watched folder waits: %s", _describe(error))
        for name in sorted(files.keys() - spoken_for):
            if not is_control_file(name) and not name.endswith(ERROR_ENDING) and self._is_overdue(folder / name):
                try:
                    self._claim(department, "", [name])
                except OSError as error:
                    log.warning("a file of the watched folder waits: %s", _describe(error))

    def _examine(self, folder: Path, name: str, files: Mapping[str, FileSign]) -> tuple[set[str], bool]:
        """Find the files that a control file needs, and whether everything is there and still."""
        same_stem = _list_same_stem(name, files)
        if not self._tracker.is_settled(folder / name) or _is_locked(folder, name):
            return same_stem, False
        try:
            control = read_control_file(folder / name)
        except ItemProblem:
            return same_stem, self._are_settled(folder, same_stem)  # set aside together
        wanted = {one for entry in control.entries for one in list_entry_files(control, entry, name, files)}
        is_missing = not wanted <= files.keys() or any(
            entry.files is None and not wanted and _sends(entry) for entry in control.entries
        )
        if is_missing and not self._is_overdue(folder / name):
            return wanted, False
        return wanted, self._are_settled(folder, wanted & files.keys())

    def _are_settled(self, folder: Path, names: Iterable[str]) -> bool:
        return all(self._tracker.is_settled(folder / name) and not _is_locked(folder, name) for name in names)

    def _is_overdue(self, path: Path) -> bool:
        """Whether a file waited long enough for those that belong to it."""
        return self._tracker.is_settled(path) and self._tracker.get_age(path) >= self._settings.patience

    def _claim(self, department: str, control: str, files: Sequence[str]) -> None:
        """Move an item to a folder of its own; the control file first: who has that has the item."""
        source = self._layout.outgoing / department
        now = self._connector.context.store.clock()
        key = f"{now.astimezone(VIETNAM):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(3)}"
        part = self._layout.work / f"{PART}{key}"
        make_folder(part, like=self._layout.root)
        write_json(part / _ORIGIN, {"department": department, "control": control}, like=self._layout.root)
        folder = self._layout.work / key
        move(part, folder)
        for name in [control, *files] if control else files:
            if not self._bring(source / name, folder / name) and name == control:
                remove(folder)  # another watcher was quicker
                return

    def _bring(self, source: Path, target: Path) -> bool:
        """Move a file into a folder of work; False where it is not there any more."""
        try:
            move(source, target)
        except FileNotFoundError:
            return False
        self._tracker.follow(source, target)
        return True

    # -- doing

    def _finish(self, folder: Path) -> bool:
        """Do an item, and put it away; False where it has to wait."""
        item = _read_item(folder)
        if not item.is_taken:
            remove(folder)  # the program ended before it took it: everything lies where it was put
            return False
        if not (is_usable_name(item.control) and is_usable_name(item.department)):
            self._set_aside(item, None, {_WHOLE: _UNUSABLE_NAME})
            return True
        try:
            control = read_control_file(folder / item.control) if item.control else None
        except ItemProblem as problem:
            self._set_aside(item, None, {_WHOLE: _as_text(problem)})
            return True
        if control is not None:
            self._bring_rest(item, control)
        files = list_files(folder)
        self._tracker.look(folder, files)
        if not all(self._tracker.is_settled(folder / name) for name in files):
            return False  # somebody still writes: a file keeps its writer when it is renamed
        problems = self._run(item, control, files) if control is not None else {_WHOLE: _WITHOUT_CONTROL}
        if not problems:
            self._archive(item)
        else:
            self._set_aside(item, control, problems)
        return True

    def _bring_rest(self, item: _Item, control: ControlFile) -> None:
        """Bring the files of an item that lie where they were put: the program ended while it took it."""
        source = self._layout.outgoing / item.department
        waiting = list_files(source) if source.is_dir() else {}
        for entry in control.entries:
            for name in list_entry_files(control, entry, item.control, waiting):
                if name in waiting and not (item.folder / name).exists():
                    self._bring(source / name, item.folder / name)

    def _run(self, item: _Item, control: ControlFile, files: Mapping[str, FileSign]) -> dict[int, Text]:
        """Do every entry of an item; returns what is wrong, by the entry's number.

        Raises:
            OSError, StoreError, SigningError, ConfigError: nothing that the item could help; to be done again later.
        """
        problems = {}
        for entry in control.entries:
            try:
                self._run_entry(item, control, entry, files)
            except DocumentIdConflict as error:
                problems[entry.number] = _as_text(error)
            except (OSError, StoreError, SigningError, ConfigError):
                raise
            except EdocError as error:
                if isinstance(error, AttachmentError) and isinstance(error.__cause__, OSError):
                    raise error.__cause__ from None  # the share, not the file
                problems[entry.number] = _as_text(error)
            except Exception as error:
                log_exception(log, logging.ERROR, "an item of the watched folder failed", error=error)
                problems[entry.number] = describe_fault(error)
        return problems

    def _run_entry(self, item: _Item, control: ControlFile, entry: Entry, files: Mapping[str, FileSign]) -> None:
        names = list_entry_files(control, entry, item.control, files)
        missing = [name for name in names if name not in files]
        if missing:
            listed = ", ".join(missing)
            raise ItemProblem(
                f"files are missing: {listed}. Put them beside the control file.",
                vi=f"Thiếu tệp: {listed}. Hãy chép các tệp này vào cùng thư mục.",
            )
        paths = [item.folder / name for name in names]
        Errand(self._connector, department=item.department, name=item.name, values=entry.values, files=paths).run()

    # -- putting away

    def _archive(self, item: _Item) -> None:
        day = item.folder.name
        place = self._settings.archive.format(
            year=day[:4], month=day[4:6], day=day[6:8], department=item.department or "_", key=day
        )
        target = self._layout.archive / place
        make_folder(target.parent, like=self._layout.root)
        move(item.folder, target)

    def _set_aside(self, item: _Item, control: ControlFile | None, problems: Mapping[int, Text]) -> None:
        """Put an item into the folder of errors; where only some entries are wrong, those alone."""
        target = self._layout.errors / item.department / f"{shorten_name(item.name)}-{item.folder.name}"
        make_folder(target.parent, like=self._layout.root)
        text = format_error_file(
            f"out/{item.department}".rstrip("/"), [_number(text, number) for number, text in problems.items()]
        )
        log.warning("an item of the watched folder is set aside: see %s", target.relative_to(self._layout.root))
        if control is None or len(problems) == len(control.entries):
            name = shorten_name(item.control or item.name)
            write_file(item.folder / f"{name}{ERROR_ENDING}", text, like=self._layout.root)
            move(item.folder, target)
            return
        if not target.exists():  # it does where the program ended between the two
            self._write_bad_part(item, control, problems, text, target)
        self._archive(item)

    def _write_bad_part(
        self, item: _Item, control: ControlFile, problems: Collection[int], text: str, target: Path
    ) -> None:
        part = self._layout.work / f"{PART}{item.folder.name}"
        if part.exists():
            remove(part)
        make_folder(part, like=self._layout.root)
        files = list_files(item.folder)
        for entry in control.entries:
            if entry.number in problems:
                for name in list_entry_files(control, entry, item.control, files):
                    if name in files:
                        shutil.copyfile(item.folder / name, part / name)
        write_file(part / item.control, control.format_part(sorted(problems)), like=self._layout.root)
        write_file(part / f"{item.control}{ERROR_ENDING}", text, like=self._layout.root)
        move(part, target)


_UNUSABLE_NAME = Text(
    "the name of the file, or of its folder, is not UTF-8 or is too long: give it a shorter one.",
    "Tên tệp hoặc tên thư mục không phải UTF-8 hoặc quá dài: hãy đặt tên ngắn hơn.",
)
_WITHOUT_CONTROL = Text(
    "no JSON or CSV file names it: put one beside it, such as 7816.json beside 7816.pdf.",
    "Không có tệp JSON hoặc CSV nào nêu tên tệp này: hãy đặt thêm, ví dụ 7816.json cạnh 7816.pdf.",
)


def list_entry_files(control: ControlFile, entry: Entry, name: str, files: Iterable[str]) -> list[str]:
    """List the files of an entry: those that it names; where it is alone and names none, those of the same name.

    Args:
        control: the control file.
        entry: one of its entries.
        name: name of the control file.
        files: names of the files beside it.
    """
    if entry.files is not None:
        return list(entry.files)
    return sorted(_list_same_stem(name, files)) if len(control.entries) == 1 and _sends(entry) else []


def _list_same_stem(name: str, files: Iterable[str]) -> set[str]:
    stem = Path(name).stem
    return {one for one in files if Path(one).stem == stem and not is_control_file(one)}


def _sends(entry: Entry) -> bool:
    return find_action(str(entry.values.get("action", "send"))) == "send"


def _is_locked(folder: Path, name: str) -> bool:
    """Whether a file says that another program still works: of the file, of all of its name, or of the folder."""
    names = (f"{name}.lock", f"{Path(name).stem}.lock", ".lock")
    return any(os.path.lexists(folder / lock) for lock in names)


def _read_item(folder: Path) -> _Item:
    origin = json.loads((folder / _ORIGIN).read_text(encoding="utf-8"))
    return _Item(folder, origin["department"], origin["control"])


def _as_text(error: EdocError) -> Text:
    return Text(error.full, error.full_vi)


def _number(text: Text, number: int) -> Text:
    return text if number == _WHOLE else Text(f"{number}: {text.en}", f"{number}: {text.vi}")


def _describe(error: Exception) -> str:
    return error.message if isinstance(error, EdocError) else f"{type(error).__name__}: {error}"
