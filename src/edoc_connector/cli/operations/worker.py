"""The command worker: exchanges documents until it is stopped."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ..._core import Text, get_logger
from ..configuration import load_fleet
from ..options import CONFIG, AgencyOption, ConfigOption
from ..output import ExitCode, log_to_stderr, say, warn_of_settings

if TYPE_CHECKING:
    from ...config import LogSettings, Settings
    from ...worker import AgencyJobs, Worker


log = get_logger("edoc_connector.worker")


class Engine(StrEnum):
    """The engines that hand out the work."""

    OWN = "own"
    PROCRASTINATE = "procrastinate"


_HandlersOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:NAME",
        help="What handles packets: a Handlers, a Connector or a function. / Mã xử lý văn bản đến.",
    ),
]
_ListenOption = Annotated[
    str | None,
    typer.Option(
        metavar="[HOST:]PORT",
        help="Serve /healthz, /readyz and /metrics there; 127.0.0.1 unless given. / Cổng giám sát.",
    ),
]
_EngineOption = Annotated[
    Engine | None,
    typer.Option(
        metavar="own|procrastinate",
        help="Who hands out the work, instead of the configuration; procrastinate needs PostgreSQL. / "
        "Bộ chạy tác vụ, thay cho cấu hình; procrastinate cần PostgreSQL.",
    ),
]
_OnceOption = Annotated[
    bool,
    typer.Option(
        "--once",
        help="Poll now, do what is due, and end; for cron. Several at a time are safe. / Hỏi trục ngay, làm các "
        "việc đến hạn rồi kết thúc; dùng với cron.",
    ),
]


def worker(
    handlers: _HandlersOption = None,
    listen: _ListenOption = None,
    engine: _EngineOption = None,
    once: _OnceOption = False,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Send, poll, confirm and report until stopped (SIGTERM, Ctrl-C). / Chạy liên tục việc gửi, nhận văn bản.

    For every agency of the configuration, unless --agency names one. / Cho mọi đơn vị, trừ khi có --agency.

    Exit code 0: everything begun was finished; 1: some was let go of, and whoever comes next goes on with it. With
    --once, 1: a hub was not reached, the application failed on a packet, or something was refused or set aside. / Mã
    kết thúc 0: mọi việc đã bắt đầu đều xong; 1: có việc phải bỏ dở, tiến trình sau sẽ làm tiếp. Với --once, 1: không
    tới được trục, ứng dụng gặp lỗi với một gói tin, hoặc có thứ bị từ chối hay bị cách ly.
    """
    from ...worker import import_handlers, open_worker

    agencies = load_fleet(config, agency)
    begin_log(agencies[0].logs)
    found = import_handlers(handlers) if handlers is not None else None
    _warn_of_settings(agencies)
    with open_worker(agencies, handlers=found, engine=engine) as running:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: running.stop())
        if once:
            _run_once(running)
        else:
            _run_until_stopped(running, listen)


def _run_until_stopped(worker: Worker, listen: str | None) -> None:
    """Work until a signal stops the worker, watched where it shall listen; end the process if work was let go of."""
    from ...worker import parse_address, serve_health

    with ExitStack() as stack:
        if listen is not None:
            port = stack.enter_context(serve_health(worker, *parse_address(listen)))
            say(f"health and metrics on port {port}", f"giám sát ở cổng {port}")
        codes = ", ".join(one.settings.agency.id for one in worker.connectors)
        say(f"working for {codes}", f"đang phục vụ {codes}")
        if not worker.run():
            _exit_now()


def begin_log(settings: LogSettings) -> None:
    """Log warnings to stderr, or everything where --verbose was given, as the settings say."""
    is_verbose = bool(logging.getLogger("edoc_connector").level)
    level, window = (logging.DEBUG, 0.0) if is_verbose else (logging.WARNING, settings.window)
    log_to_stderr(level, as_json=settings.format == "json", window=window)


def _warn_of_settings(agencies: Sequence[Settings]) -> None:
    """Warn of what the settings leave open: in both languages, or in the log where that is read by programs."""
    warnings = dict.fromkeys(warning for settings in agencies for warning in settings.list_warnings())
    if agencies[0].logs.format == "text":
        warn_of_settings(warnings)
        return
    for warning in warnings:
        log.warning("%s", warning.en)


def _run_once(worker: Worker) -> None:
    """Work once, and say what failed.

    Raises:
        typer.Exit: something failed.
    """
    from ...store import ReceiptState

    bad_rows_before = {jobs.agency: _count_bad_rows(jobs) for jobs in worker.agency_jobs}
    reached = worker.run_once()
    failed = False
    for connector, jobs in zip(worker.connectors, worker.agency_jobs, strict=True):
        problems = []
        if not reached[jobs.agency] or jobs.find_open_until() is not None:
            problems.append(Text("the hub was not reached, or refuses us", "chưa kết nối được trục, hoặc trục từ chối"))
        if any(receipt.error for receipt in connector.iter_receipts(state=ReceiptState.WAITING)):
            problems.append(Text("the application failed on a packet", "phần mềm của đơn vị gặp lỗi khi xử lý gói tin"))
        if _count_bad_rows(jobs) > bad_rows_before[jobs.agency]:
            problems.append(Text("something was refused or set aside", "có gói tin bị từ chối hoặc cách ly"))
        for problem in problems:
            say(
                f"{jobs.agency}: {problem.en}; see the log, `edoc deliveries` and `edoc receipts`",
                f"{jobs.agency}: {problem.vi}; xem nhật ký, `edoc deliveries` và `edoc receipts`",
                err=True,
            )
        failed = failed or bool(problems)
    if failed:
        raise typer.Exit(ExitCode.FAILED)


def _count_bad_rows(jobs: AgencyJobs) -> int:
    """Count what was refused for good, or set aside."""
    return sum(count for (_, state), count in jobs.count_rows().items() if state in ("failed", "quarantined"))


def _exit_now() -> NoReturn:
    """End the process at once: closing would wait for threads that did not end in time, and they hold nothing."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ExitCode.FAILED)
