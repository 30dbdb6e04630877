"""The commands, put together. Each command's module is imported when the command runs, so that help is quick."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from .._version import __version__
from ..errors import EdocError, PacketError
from . import database, evidence, exchange, explain, keys, lint, packets, pdf, seal, servers, upkeep, worker
from .output import ExitCode, complain

app = typer.Typer(
    name="edoc",
    help="Exchange official documents over the document interchange hubs.\n\n"
    "Gửi, nhận văn bản điện tử qua trục liên thông văn bản.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for _module in (servers, packets, lint, exchange, explain, evidence, upkeep, keys, pdf, seal, database, worker):
    _module.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"edoc {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log what happens, to stderr. / Ghi nhật ký ra stderr.")
    ] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version. / Xem phiên bản."),
    ] = False,
) -> None:
    if verbose:
        logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(name)s %(levelname)s %(message)s")
        logging.getLogger("edoc_connector").setLevel(logging.DEBUG)


def main() -> None:
    """Run the command; an error of the library is one line and an exit code, not a traceback."""
    try:
        app()
    except PacketError as error:
        complain(error)
        sys.exit(ExitCode.UNREADABLE)
    except EdocError as error:
        complain(error)
        sys.exit(ExitCode.FAILED)
