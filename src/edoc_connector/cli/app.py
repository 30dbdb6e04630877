"""The commands put together, and their errors caught. A command imports its tools when it runs: help is quick."""

from __future__ import annotations

import atexit
import functools
import gc
import logging
import re
import sys
from collections.abc import Callable
from inspect import Parameter, getdoc, signature
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.main import get_command

from .._version import __version__
from ..errors import EdocError
from .configuration import EnvironmentOption, choose_environment
from .errors import find_exit_code, missing_library_error, print_error, report_as_json, unusable_path_error
from .exchange import (
    agency_commands,
    deliveries,
    directory,
    explain,
    hub_commands,
    recall,
    receipts,
    receive,
    recheck,
    register,
    replace,
    send,
    show,
    status,
    take_back,
    update,
)
from .gateway import gateway_commands
from .help import translate_help
from .joining import acceptance, init
from .language import choose_language, choose_language_of_usage
from .operations import (
    archive,
    backup,
    database_commands,
    demo,
    doctor,
    evidence_commands,
    fsck,
    hold,
    holds,
    import_documents,
    mockhub,
    prune,
    reconcile,
    release_hold,
    resend,
    restore,
    restored,
    settle,
    spool_commands,
    watch_folder,
    worker,
)
from .output import ExitCode, log_to_stderr, say, use_utf8
from .packets import build, inspect, key_commands, lint, pdf_commands, seal_commands, verify
from .plain_text import require_plain_texts
from .usage import UsageError, explain_usage
from .web import web_commands

app = typer.Typer(
    name="edoc",
    help="Exchange official documents over the document interchange hubs. / Gửi, nhận văn bản điện tử qua trục liên "
    "thông văn bản.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["--help", "-h"]},
)
# in the order of the help
for _command in (
    *(demo, init, mockhub),
    *(inspect, verify, build, lint),
    *(
        send,
        update,
        replace,
        status,
        deliveries,
        show,
        receive,
        receipts,
        recheck,
        recall,
        take_back,
        directory,
        register,
        explain,
    ),
    *(reconcile, settle, resend, prune, fsck),
    *(archive, hold, release_hold, holds),
    *(backup, restore, restored),
    *(worker, watch_folder, doctor, acceptance),
):
    app.command()(_command)
app.command("import")(import_documents)  # a function cannot be called so
for _group in (
    agency_commands,
    hub_commands,
    pdf_commands,
    seal_commands,
    key_commands,
    database_commands,
    spool_commands,
    evidence_commands,
    gateway_commands,
    web_commands,
):
    app.add_typer(_group)


_VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Log what happens, to stderr. / Ghi nhật ký ra stderr.")
]


def _finish_commands(group: typer.Typer) -> None:
    """Join the lines of help texts, escape their brackets, which would be markup, and let each command take -v."""
    for command in group.registered_commands:
        text = getdoc(command.callback) or ""
        command.help = escape(re.sub(r"(?<!\n)\n(?!\n)", " ", text))
        if command.callback is not None:
            command.callback = _take_common_options(command.callback)
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            _finish_commands(inner.typer_instance)


def _take_common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command take --verbose behind its name, and --env beside --config, and speak the language that is set."""
    of_command = signature(command, eval_str=True)
    takes_environment = "config" in of_command.parameters and "env" not in of_command.parameters

    @functools.wraps(command)
    def run(*arguments: Any, verbose: bool = False, **options: Any) -> Any:
        if verbose:
            log_to_stderr(logging.DEBUG)
        choose_environment(options.pop("env") if takes_environment else None)
        choose_language(options.get("config"))
        report_as_json(options.get("as_json") is True)
        require_plain_texts(options, of_command.parameters)
        return command(*arguments, **options)

    further = [Parameter("verbose", Parameter.KEYWORD_ONLY, default=False, annotation=_VerboseOption)]
    if takes_environment:
        further.insert(0, Parameter("env", Parameter.KEYWORD_ONLY, default=None, annotation=EnvironmentOption))
    run.__signature__ = of_command.replace(parameters=[*of_command.parameters.values(), *further])  # type: ignore[attr-defined]
    return run


_finish_commands(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"edoc {__version__}")
        raise typer.Exit


@app.callback()
def _set_up_logging(
    verbose: _VerboseOption = False,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version. / Xem phiên bản."),
    ] = False,
) -> None:
    if verbose:
        log_to_stderr(logging.DEBUG)
    else:
        # An error that ends a command is printed in both languages; the log on the way there would repeat it.
        logging.basicConfig(handlers=[logging.NullHandler()])


def main() -> None:
    """Run the command; an error is a line in each language and an exit code, not a traceback."""
    # What was loaded is needed until the end, where Python would look through all of it for something to free.
    atexit.register(gc.freeze)
    use_utf8()
    report_as_json(False)
    try:
        command = get_command(app)
        translate_help(command, choose_language_of_usage())
        code = command(prog_name="edoc", standalone_mode=False)
    except EdocError as error:
        print_error(error)
        sys.exit(find_exit_code(error))
    except UsageError as error:
        explain_usage(error)
        sys.exit(ExitCode.UNREADABLE)
    except OSError as error:
        print_error(unusable_path_error(error))
        sys.exit(ExitCode.FAILED)
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "edoc_connector":
            raise  # a mistake of ours, whose place has to be seen
        print_error(missing_library_error(error))
        sys.exit(ExitCode.FAILED)
    except typer.Abort:  # Ctrl-C or Ctrl-D at a question
        typer.echo(err=True)  # the question's line
        code = ExitCode.INTERRUPTED
    if code == ExitCode.INTERRUPTED:
        say("stopped", "đã dừng", err=True)
    sys.exit(code if isinstance(code, int) else ExitCode.OK)
