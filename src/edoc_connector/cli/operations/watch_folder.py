"""The command watch-folder: exchanges documents through a folder, for software that can only read and write files."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ..options import CONFIG, AgencyOption, ConfigOption
from ..output import ExitCode, say, warn_of_settings
from .worker import begin_log

if TYPE_CHECKING:
    from ...config import Settings
    from ...folder import FolderWatcher

_OnceOption = Annotated[
    bool,
    typer.Option(
        "--once", help="Look, send and poll once, and end; for cron. / Làm một lượt rồi kết thúc; dùng với cron."
    ),
]
_WorkerOption = Annotated[
    bool | None,
    typer.Option(
        "--worker/--no-worker",
        help="Whether to send and poll too, instead of the configuration's. / Có tự gửi, nhận hay không.",
    ),
]


def watch_folder(
    once: _OnceOption = False,
    worker: _WorkerOption = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Send what is put into a folder, and write there what comes in. / Gửi, nhận văn bản qua thư mục dùng chung.

    For every agency of the configuration that has [watch_folder] path, until stopped (SIGTERM, Ctrl-C). / Cho mọi đơn
    vị có [watch_folder] path, tới khi dừng.

    Exit code 0: everything begun was finished; 1: some was let go of, or another program watches the folder. / Mã kết
    thúc 0: mọi việc đã bắt đầu đều xong; 1: có việc phải bỏ dở, hoặc chương trình khác đang theo dõi thư mục.
    """
    from ...config import Settings
    from ...folder import FolderService

    agencies = Settings.fleet(config) if agency is None else (Settings.load(config, agency=agency),)
    if worker is not None:
        agencies = tuple(_with_worker(settings, worker) for settings in agencies)
    begin_log(agencies[0].logs)
    warn_of_settings(dict.fromkeys(warning for settings in agencies for warning in settings.list_warnings()))
    service = FolderService(agencies)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: service.stop())
    if not (service.run_once() if once else service.run(_say_ready)):
        raise typer.Exit(ExitCode.FAILED)


def _with_worker(settings: Settings, worker: bool) -> Settings:
    return settings.model_copy(update={"watch_folder": settings.watch_folder.model_copy(update={"worker": worker})})


def _say_ready(watchers: Sequence[FolderWatcher]) -> None:
    for watcher in watchers:
        say(f"{watcher.agency}: watching {watcher.path}", f"{watcher.agency}: đang theo dõi {watcher.path}")
