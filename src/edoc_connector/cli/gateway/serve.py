"""The command gateway: serves the HTTP interface; and the description of that interface."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..._core import parse_address, write_private
from ..errors import refuse_options_before_command
from ..operations import begin_log
from ..options import (
    CONFIG,
    AgencyOption,
    ConfigOption,
    ListenOption,
    WorkerOption,
)
from ..output import say, warn_of_settings
from .offices import load_agencies, require_gateway

if TYPE_CHECKING:
    from ...config import Settings

gateway_commands = typer.Typer(
    name="gateway",
    help="The HTTP interface for software that is not written in Python. / Cổng tích hợp HTTP cho phần mềm viết bằng "
    "ngôn ngữ khác.",
    invoke_without_command=True,
)


@gateway_commands.callback()
def gateway(
    context: typer.Context,
    listen: ListenOption = None,
    worker: WorkerOption = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Serve the HTTP interface until stopped (SIGTERM, Ctrl-C), and send and poll beside it.

    For every agency of the configuration, unless --agency names one. Keys for clients: `edoc gateway keys add`.

    Mở cổng tích hợp HTTP, đồng thời gửi và nhận văn bản.
    """
    if context.invoked_subcommand is not None:
        refuse_options_before_command(context)
        return
    require_gateway()
    agencies = load_agencies(config, None if agency is None else [agency])
    if worker is not None:
        agencies = tuple(_with_worker(settings, worker) for settings in agencies)
    begin_log(agencies[0].logs)
    warn_of_settings(dict.fromkeys(warning for settings in agencies for warning in settings.list_warnings()))
    _serve(agencies, listen)


def _with_worker(settings: Settings, worker: bool) -> Settings:
    return settings.model_copy(update={"gateway": settings.gateway.model_copy(update={"worker": worker})})


def _serve(agencies: tuple[Settings, ...], listen: str | None) -> None:
    from ...gateway import Gateway, is_exposed

    host, port = (None, None) if listen is None else parse_address(listen)
    running = Gateway(agencies, host=host, port=port)
    if is_exposed(agencies[0].gateway, running.url):
        say(
            "warning: keys and documents cross the network in the clear; put a proxy with TLS in front, or set "
            "[gateway] certificate and key",
            "cảnh báo: khóa và văn bản đi qua mạng không mã hóa; hãy đặt proxy TLS phía trước hoặc khai báo [gateway] "
            "certificate và key",
            err=True,
        )
    running.serve(lambda url: say(f"gateway ready: {url}", f"cổng tích hợp đã sẵn sàng: {url}"))


@gateway_commands.command()
def openapi(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write it there. / Ghi ra tệp này.")
    ] = None,
) -> None:
    """Print the description of the interface (OpenAPI 3.1), for generators of clients. / In mô tả OpenAPI 3.1."""
    require_gateway()
    from ...gateway import describe_interface

    text = json.dumps(describe_interface(), ensure_ascii=False, indent=2) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    write_private(out, text)
    say(f"written: {out}", f"đã ghi: {out}")
