"""The commands, put together. Each command's module is imported when the command runs, so that help is quick."""

from __future__ import annotations

import inspect
import logging
import re
import sys
from typing import Annotated

import typer
from rich.markup import escape

from .._version import __version__
from ..errors import EdocError, PacketError
from .exchange import explain, recall, receive, send
from .operations import database, evidence, maintenance, mockhub, worker
from .output import ExitCode, WrongOption, log_to_stderr, print_error, say, unusable_path_error, use_utf8
from .packets import inspect as packet_commands
from .packets import keys, lint, pdf, seal
from .usage import UsageError, explain_usage

INTERRUPTED = 130

app = typer.Typer(
    name="edoc",
    help="Exchange official documents over the document interchange hubs.\n\n"
    "Gửi, nhận văn bản điện tử qua trục liên thông văn bản.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for _module in (
    mockhub,
    packet_commands,
    lint,
    send,
    receive,
    recall,
    explain,
    evidence,
    maintenance,
    keys,
    pdf,
    seal,
    database,
    worker,
):
    _module.register(app)


def _reflow_help(group: typer.Typer) -> None:
    """Texts of help without the line ends of the source, and with their brackets, which would be markup."""
    for command in group.registered_commands:
        text = inspect.getdoc(command.callback) or ""
        command.help = escape(re.sub(r"(?<!\n)\n(?!\n)", " ", text))
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            _reflow_help(inner.typer_instance)


_reflow_help(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"edoc {__version__}")
        raise typer.Exit


@app.callback()
def _set_up_logging(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log what happens, to stderr. / Ghi nhật ký ra stderr.")
    ] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version. / Xem phiên bản."),
    ] = False,
) -> None:
    if verbose:
        log_to_stderr(logging.DEBUG)
    else:
        # Errors are told in both languages where they end a command; what is logged on the way there would repeat them.
        logging.basicConfig(handlers=[logging.NullHandler()])


def main() -> None:
    """Run the command; what goes wrong is one line in both languages and an exit code, not a traceback."""
    use_utf8()
    try:
        code = app(prog_name="edoc", standalone_mode=False)
    except (PacketError, WrongOption) as error:
        print_error(error)
        sys.exit(ExitCode.UNREADABLE)
    except EdocError as error:
        print_error(error)
        sys.exit(ExitCode.FAILED)
    except UsageError as error:
        explain_usage(error)
        sys.exit(ExitCode.UNREADABLE)
    except OSError as error:
        print_error(unusable_path_error(error))
        sys.exit(ExitCode.FAILED)
    if code == INTERRUPTED:
        say("stopped", "đã dừng", err=True)
    sys.exit(code if isinstance(code, int) else ExitCode.OK)
