"""The command worker: exchanges documents until it is stopped."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ..._core import Text, get_logger
from ...errors import ConfigError
from ..configuration import load_fleet
from ..options import CONFIG, AgencyOption, ConfigOption
from ..output import ExitCode, log_to_stderr, say, warn_of_settings

if TYPE_CHECKING:
    from ...config import LogSettings, Settings
    from ...worker import AgencyJobs, Worker


log = get_logger("edoc_connector.worker")


_LARGEST_PORT = 65535
# -P: a module of the folder that the program is started in takes the place of none.
_OWN_COMMAND = (sys.executable, "-P", "-m", "edoc_connector")


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
        "Bộ phận giao việc, thay cho cấu hình; procrastinate cần PostgreSQL.",
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
_ProcessesOption = Annotated[
    int,
    typer.Option(
        min=1,
        max=64,
        metavar="N",
        help="How many processes work; each has its threads, and with --listen its port. / Số tiến trình làm việc.",
    ),
]
_SupervisedOption = Annotated[
    bool,
    typer.Option("--supervised", hidden=True, help="Stop where standard input ends. / Dừng khi hết dữ liệu vào."),
]


def worker(
    handlers: _HandlersOption = None,
    listen: _ListenOption = None,
    engine: _EngineOption = None,
    once: _OnceOption = False,
    processes: _ProcessesOption = 1,
    supervised: _SupervisedOption = False,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Send, poll, confirm and report until stopped (SIGTERM, Ctrl-C). / Chạy liên tục việc gửi, nhận văn bản.

    For every agency of the configuration, unless --agency names one. / Cho mọi đơn vị, trừ khi có --agency.

    With --processes several at once, of which one that ends by itself is started again. / Với --processes: nhiều tiến
    trình, tự chạy lại nếu bị dừng.

    Exit code 0: everything begun was finished; 1: some was let go of, and whoever comes next goes on with it. With
    --once, 1: a hub was not reached, the application failed on a packet, or something was refused or set aside. / Mã
    kết thúc 0: mọi việc đã bắt đầu đều xong; 1: có việc phải bỏ dở, tiến trình sau sẽ làm tiếp. Với --once, 1: không
    tới được trục, ứng dụng gặp lỗi với một gói tin, hoặc có thứ bị từ chối hay bị cách ly.
    """
    from ...worker import import_handlers, open_worker

    ports = _plan_ports(listen, processes, once=once)
    agencies = load_fleet(config, agency)
    begin_log(agencies[0].logs)
    found = import_handlers(handlers) if handlers is not None else None
    if not supervised:
        _warn_of_settings(agencies)
    with open_worker(agencies, handlers=found, engine=engine) as running:
        if processes == 1:
            _work(running, listen, once=once, supervised=supervised)
        else:
            _require_ports(running, ports)
    if processes > 1:
        _supervise(ports, agencies)


def _work(running: Worker, listen: str | None, *, once: bool, supervised: bool) -> None:
    """Work in this process."""
    _stop_on_signals(running.stop)
    if supervised:
        _stop_with_input(running.stop)
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


def _plan_ports(listen: str | None, processes: int, *, once: bool) -> list[str | None]:
    """Give each process an address to listen on: the port that was asked for, and those after it.

    Raises:
        ConfigError: there are not so many ports, or several processes would work once.
    """
    from ...worker import parse_address

    if once and processes > 1:
        raise ConfigError(
            "--once works in one process: leave --processes out. Several commands at once are safe.",
            vi="--once chỉ chạy một tiến trình: hãy bỏ --processes. Chạy nhiều lệnh cùng lúc vẫn an toàn.",
        )
    if listen is None:
        return [None] * processes
    host, port = parse_address(listen)
    last = port + processes - 1 if port else 0
    if last > _LARGEST_PORT:
        raise ConfigError(
            f"{processes} processes need the ports {port} to {last}, and {_LARGEST_PORT} is the last there is: choose "
            "lower ones.",
            vi=f"{processes} tiến trình cần các cổng từ {port} đến {last}, nhưng {_LARGEST_PORT} là cổng cuối cùng: "
            "hãy chọn cổng nhỏ hơn.",
        )
    written = f"[{host}]" if ":" in host else host
    return [f"{written}:{port + number if port else 0}" for number in range(processes)]


def _require_ports(worker: Worker, ports: Sequence[str | None]) -> None:
    """Require that a worker can listen on each port, before a process is started that would not.

    Raises:
        ConfigError: it cannot.
    """
    from ...worker import parse_address, serve_health

    with ExitStack() as stack:
        for port in ports:
            if port is not None:
                stack.enter_context(serve_health(worker, *parse_address(port)))


def _supervise(ports: Sequence[str | None], agencies: Sequence[Settings]) -> None:
    """Keep processes working, each started as this command was, until a signal stops them.

    Raises:
        typer.Exit: something was let go of.
    """
    from ...worker import Supervisor

    commands = [[*_OWN_COMMAND, *sys.argv[1:], *_describe_one(port)] for port in ports]
    supervisor = Supervisor(commands, stop_within=agencies[0].worker.stop_within)
    _stop_on_signals(supervisor.stop)
    say(f"{len(commands)} processes work", f"{len(commands)} tiến trình làm việc")
    if not supervisor.run():
        raise typer.Exit(ExitCode.FAILED)


def _describe_one(port: str | None) -> list[str]:
    """Describe one process of several; what an option says last counts."""
    return ["--processes", "1", "--supervised", *([] if port is None else ["--listen", port])]


def _stop_on_signals(stop: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


def _stop_with_input(stop: Callable[[], None]) -> None:
    """Stop where standard input ends: whoever supervises this process wants it to, or is gone."""

    def wait_for_end() -> None:
        while os.read(0, 1):  # nothing is written to it
            pass
        stop()

    threading.Thread(target=wait_for_end, name="edoc-supervised", daemon=True).start()


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
