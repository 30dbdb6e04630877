"""The command import: takes documents in flight over from an older connector, and undoes that."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..._core import Text, format_table, utc_now, write_private
from ...errors import StoreError, describe_system_error, describe_system_error_vi
from ..errors import WrongOption
from ..exchange import open_connector
from ..options import CONFIG, AgencyOption, ConfigOption, JsonFlag
from ..output import print_json, require_free, say

if TYPE_CHECKING:
    from ...connector import Connector, Imported, ImportState, ImportUndone, InFlight

_SHOWN = 5


def import_documents(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="What the older connector exports: CSV or JSON. / Tệp CSV hoặc JSON."),
    ] = None,
    batch: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the batch, to undo it by. / Tên lần tiếp nhận.")
    ] = None,
    undo: Annotated[
        str | None, typer.Option(metavar="BATCH", help="Undo this batch. / Hoàn tác lần tiếp nhận này.")
    ] = None,
    state: Annotated[
        str | None,
        typer.Option("--state", metavar="BATCH", help="Show what of it is not finished. / Xem văn bản chưa xong."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE.csv", help="With --undo: write how each stands now. / Ghi tình trạng ra tệp."
        ),
    ] = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Take documents in flight over from an older connector. / Tiếp nhận văn bản đang xử lý từ phần mềm kết nối cũ.

    Nothing is sent again; what comes about them is entered from now on. The same command with a newer file enters what
    the older connector learnt since, beside which this one may run. / Không gửi lại gì; từ nay trạng thái đến cho những
    văn bản đó được ghi nhận tại đây. Chạy lại lệnh với tệp mới hơn thì ghi thêm những gì phần mềm cũ biết thêm; hai bên
    có thể chạy song song.

    Exit code 0: taken over, undone or shown; 1: not, and the message says why; nothing was changed. / Mã kết thúc 0: đã
    tiếp nhận, đã hoàn tác hoặc đã hiển thị; 1: không được, thông báo nêu lý do; không có gì thay đổi.
    """
    if sum(one is not None for one in (file, undo, state)) != 1:
        raise WrongOption("give one of FILE, --undo and --state", vi="hãy ghi một trong ba: TỆP, --undo hoặc --state")
    if out is not None:
        require_free(out)
    with open_connector(config, agency, Text("importing", "đang tiếp nhận")) as connector:
        if file is not None:
            _report_imported(_import(connector, file, batch, as_json=as_json), as_json=as_json)
        elif undo is not None:
            _report_undone(connector.undo_import(undo), out, as_json=as_json)
        elif state is not None:
            _report_state(connector.find_import(state), as_json=as_json)


def _import(connector: Connector, file: Path, batch: str | None, *, as_json: bool) -> Imported:
    """Take over; the batch is named before, so that it can be gone on with or undone if this does not end."""
    from ...connector import name_batch

    name = name_batch(utc_now()) if batch is None else batch
    if batch is None and not as_json:
        say(f"batch {name}", f"lần tiếp nhận {name}", err=True)
    try:
        return connector.import_documents(file, batch=name)
    except KeyboardInterrupt:
        say(
            f"what was taken over so far stays: go on with --batch {name}, or take it back with --undo {name}",
            f"những văn bản đã tiếp nhận vẫn giữ: chạy tiếp với --batch {name}, hoặc hoàn tác bằng --undo {name}",
            err=True,
        )
        raise


def _report_imported(imported: Imported, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(imported))
        return
    say(
        f"batch {imported.batch}: {len(imported.added)} taken over, {len(imported.updated)} updated, "
        f"{imported.unchanged} unchanged; {imported.adopted} statuses that had come before entered",
        f"lần tiếp nhận {imported.batch}: tiếp nhận {len(imported.added)}, cập nhật {len(imported.updated)}, "
        f"giữ nguyên {imported.unchanged}; đã ghi {imported.adopted} trạng thái đến trước đó",
    )
    if imported.left:
        say(
            f"{len(imported.left)} have not left the older connector: let it send them, then import again: "
            f"{_list_some(imported.left)}",
            f"{len(imported.left)} văn bản chưa được phần mềm cũ gửi: hãy để phần mềm cũ gửi rồi tiếp nhận lại: "
            f"{_list_some(imported.left)}",
        )
    if imported.known:
        say(
            f"{len(imported.known)} were sent or received here already, and are left as they are: "
            f"{_list_some(imported.known)}",
            f"{len(imported.known)} văn bản đã được gửi, nhận tại đây, giữ nguyên: {_list_some(imported.known)}",
        )


def _report_undone(undone: ImportUndone, out: Path | None, *, as_json: bool) -> None:
    if out is not None:
        _write_undone(format_csv(undone.documents), out)
    if as_json:
        print_json(asdict(undone))
        return
    say(
        f"{undone.batch} is undone: {len(undone.documents)} documents are the older connector's again",
        f"đã hoàn tác {undone.batch}: trả lại {len(undone.documents)} văn bản cho phần mềm cũ",
    )
    if out is None:
        say(
            "statuses that came here meanwhile are told by --out alone; a new import brings them back",
            "chỉ --out mới ghi ra các trạng thái đã đến tại đây; tiếp nhận lại sẽ khôi phục chúng",
        )
    if undone.kept:
        say(
            f"{len(undone.kept)} stay: something about them is still worked on here: {_list_some(undone.kept)}",
            f"giữ lại {len(undone.kept)} văn bản còn việc đang làm tại đây: {_list_some(undone.kept)}",
        )


def _write_undone(table: str, out: Path) -> None:
    """Write how the documents stand; where that fails it is shown, since they are the older connector's by now."""
    try:
        write_private(out, table)
    except OSError as error:
        typer.echo(table.removeprefix("\ufeff"))
        raise StoreError(
            f"it is undone, and {out} could not be written: {describe_system_error(error)}. Keep what is shown above.",
            vi=f"đã hoàn tác nhưng không ghi được {out}: {describe_system_error_vi(error)}. Hãy lưu nội dung ở trên.",
        ) from error


def _report_state(state: ImportState, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(state))
        return
    say(
        f"{state.batch}: {state.documents} documents in force, {len(state.open)} not finished",
        f"{state.batch}: {state.documents} văn bản, {len(state.open)} chưa xong",
    )


def format_csv(documents: tuple[InFlight, ...]) -> str:
    """Format documents in flight as a file that can be imported again."""
    from ...connector import IN_FLIGHT_COLUMNS

    rows = (row for document in documents for row in document.as_rows())
    return format_table([IN_FLIGHT_COLUMNS, *([row.get(name, "") for name in IN_FLIGHT_COLUMNS] for row in rows)])


def _list_some(ids: tuple[str, ...]) -> str:
    return "; ".join(ids[:_SHOWN]) + (" …" if len(ids) > _SHOWN else "")
