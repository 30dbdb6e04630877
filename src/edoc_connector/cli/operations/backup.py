"""The commands backup, restore and restored."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..._core import Text
from ...errors import ConfigError
from ..configuration import load_settings
from ..errors import WrongOption, name_commands
from ..exchange import open_connector
from ..options import CONFIG, AgencyOption, ConfigOption
from ..output import ExitCode, format_local_time, say, show_progress

if TYPE_CHECKING:
    from ...connector import RestoreReport


def backup(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write. / Tệp cần ghi.")],
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Back up the database and every packet, as of one moment; others go on. / Sao lưu cơ sở dữ liệu và gói tin.

    Exit code 1 where packets are missing in the spool: the backup is written, `edoc fsck` says more. / Mã kết thúc 1
    nếu kho tạm thiếu gói tin: bản sao lưu vẫn được ghi, xem thêm bằng `edoc fsck`.
    """
    from ... import store

    settings = load_settings(config, agency)
    with show_progress(Text("backing up", "đang sao lưu")):
        done = store.write_backup(settings.store_url(), out, spool=settings.spool())
    say(
        f"{done.path}: {done.packets} packets, {done.size} bytes, as of {format_local_time(done.snapshot_at)}",
        f"đã sao lưu {done.packets} gói tin, thời điểm {format_local_time(done.snapshot_at)}",
    )
    for name in done.missing:
        say(f"missing in the spool: {name}", f"thiếu trong kho tạm: {name}", err=True)
    if done.missing:
        raise typer.Exit(ExitCode.FAILED)


def restore(
    archive: Annotated[Path, typer.Argument(metavar="FILE", help="What `edoc backup` wrote. / Tệp sao lưu.")],
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Restore a backup into an empty database and a spool; nothing is overwritten. / Khôi phục từ bản sao lưu.

    Then `edoc restored` says what has to be done. / Sau đó `edoc restored` cho biết những việc phải làm.
    """
    from ... import store

    settings = load_settings(config, agency)
    with show_progress(Text("restoring", "đang khôi phục")):
        done = store.restore_backup(archive, settings.store_url(), spool=settings.spool())
    if settings.worker.engine == "procrastinate":
        store.upgrade(settings.store_url(), tasks=True)
    say(
        f"restored as of {format_local_time(done.snapshot_at)}: {done.packets} packets, {done.kept} were there already",
        f"đã khôi phục về {format_local_time(done.snapshot_at)}: {done.packets} gói tin, {done.kept} đã có sẵn",
    )
    say(
        f"{done.asked} messages may have gone out since: the hub is asked first; {done.set_aside} packets that came in "
        "may have been handled since: they wait for the hub's next list",
        f"{done.asked} gói tin có thể đã gửi sau đó: hỏi trục trước; {done.set_aside} gói tin đến có thể đã xử lý: chờ "
        "danh sách mới của trục",
    )
    for name in done.missing:
        say(f"was missing when the backup was made: {name}", f"đã thiếu khi sao lưu: {name}", err=True)
    say("next: edoc restored", "tiếp theo: edoc restored")


def restored(
    begin: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="The store was put back by other means to its state of TIME (2026-11-27T18:00+07:00). / "
            "Kho đã được khôi phục bằng cách khác về thời điểm này.",
        ),
    ] = None,
    done: Annotated[
        bool, typer.Option("--done", help="Everything is caught up with. / Đã xử lý xong việc khôi phục.")
    ] = False,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Say what has to be done after a restore, or that it is done. / Những việc phải làm sau khi khôi phục.

    Exit code 1 as long as the restore is under way. / Mã kết thúc 1 khi việc khôi phục chưa xong.
    """
    if begin is not None and done:
        raise WrongOption(
            "--begin and --done cannot be given together: a restore begins, is caught up with, and then is done.",
            vi="không dùng --begin cùng với --done: bắt đầu, xử lý xong rồi mới kết thúc việc khôi phục.",
        )
    with open_connector(config, agency) as connector:
        if begin is not None:
            report = connector.begin_restore(_parse_time(begin))
        elif done:
            report = connector.finish_restore()
        else:
            report = connector.restored()
    _print_report(report)
    if report.is_restoring:
        raise typer.Exit(ExitCode.FAILED)


def _print_report(report: RestoreReport) -> None:
    if not report.is_restoring:
        say("no restore is under way", "không có việc khôi phục nào đang dở")
        return
    for document_id, statuses in report.unknown_documents:
        say(f"not known here: {document_id}: statuses {', '.join(statuses)}", f"kho không có văn bản: {document_id}")
    for doc_id in report.set_aside:
        say(f"set aside until the hub offers it: docId {doc_id}", f"cách ly đến khi trục còn đưa ra: docId {doc_id}")
    for document_id in report.asked:
        say(f"the hub is asked about: {document_id}", f"đang hỏi trục về: {document_id}")
    for number, advice in enumerate(report.advice, 1):
        say(f"{number}. {name_commands(advice.en)}", f"{number}. {name_commands(advice.vi)}")


def _parse_time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None:
        raise ConfigError(
            f"'{text}' is no time; write 2026-11-27T18:00+07:00.",
            vi=f"'{text}' không phải thời điểm; ví dụ 2026-11-27T18:00+07:00.",
        )
    return found.astimezone()
