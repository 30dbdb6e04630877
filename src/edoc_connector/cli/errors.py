"""Errors as a person at the terminal reads them: a line in each language, with commands instead of calls."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from .._core import escape_json
from ..errors import (
    AttachmentError,
    ConfigError,
    EdocError,
    HubError,
    PacketError,
    TransportError,
    describe_system_error,
    describe_system_error_vi,
)
from .output import ExitCode, say


class WrongOption(ConfigError):
    """The value of an option cannot be used; exit code 2, as 1 is a verdict of the command's."""


@contextmanager
def raise_wrong_option() -> Iterator[None]:
    """Raise errors of the block, in which options are read, as `WrongOption`: they are no verdict about a file."""
    try:
        yield
    except (ConfigError, AttachmentError) as error:
        raise WrongOption(error.full, vi=error.full_vi) from error


class _Form:
    """Whether errors of this run are printed as JSON."""

    is_json = False


def report_as_json(is_wanted: bool) -> None:
    """Print errors of the command that is run as JSON, or as lines for people."""
    _Form.is_json = is_wanted


def find_exit_code(error: EdocError) -> ExitCode:
    """Find the exit code of a command that ended with an error: 75 where the same command may succeed later."""
    if isinstance(error, (PacketError, WrongOption)):
        return ExitCode.UNREADABLE
    if isinstance(error, TransportError) or (isinstance(error, HubError) and error.retryable):
        return ExitCode.TRY_LATER
    return ExitCode.FAILED


def print_error(error: EdocError) -> None:
    """Print an error to stderr, a line for each language that is spoken, or one of JSON with both."""
    if _Form.is_json:
        en, vi = name_commands(_as_one_line(error.full)), name_commands(_as_one_line(error.full_vi))
        told = {"error": type(error).__name__, "message": en, "message_vi": vi, "exit_code": int(find_exit_code(error))}
        typer.echo(escape_json(json.dumps(told, ensure_ascii=False)), err=True)
        return
    say(f"edoc: {name_commands(_as_one_line(error.full))}", name_commands(_as_one_line(error.full_vi)), err=True)


def _as_one_line(text: str) -> str:
    return " ".join(text.split())


_COMMAND_NAMES = "receive|receipts|deliveries|recheck|settle|resend|reconcile|fsck|prune|explain"
_CALL_IN_TEXT = re.compile(rf"(?:\b(?P<verb>call|gọi) )?\b(?P<name>{_COMMAND_NAMES})\(\)")
_VERBS = {"call": "run ", "gọi": "chạy ", None: ""}


def name_commands(text: str) -> str:
    """Replace the calls in a message of the library by commands: `receive()` by `edoc receive`."""
    text = text.replace("(with receipt: …)", "(`edoc receive`)")
    return _CALL_IN_TEXT.sub(lambda found: f"{_VERBS[found['verb']]}`edoc {found['name']}`", text)


def missing_library_error(error: ImportError) -> EdocError:
    """Build the error for a library that is not there, or does not load."""
    return ConfigError(
        f"a library that this command needs does not load: {error}. Install the package anew: pip install --upgrade "
        "--force-reinstall edoc-connector",
        vi=f"không nạp được thư viện cần cho lệnh này: {error}. Hãy cài lại gói: pip install --upgrade "
        "--force-reinstall edoc-connector",
    )


def unusable_path_error(error: OSError) -> EdocError:
    """Build the error for a file or folder that the system does not give."""
    path = error.filename2 or error.filename
    if isinstance(path, str) and path.endswith(".part"):
        path = Path(path).parent  # what is written under another name first
    if path is None:
        return ConfigError(
            f"the system refuses: {describe_system_error(error)}. Check the disk and the paths given.",
            vi=f"hệ thống từ chối: {describe_system_error_vi(error)}. Hãy kiểm tra đĩa và các đường dẫn đã ghi.",
        )
    return ConfigError(
        f"{path} cannot be used: {describe_system_error(error)}. Give another path, or correct the rights of "
        "the folder.",
        vi=f"không dùng được {path}: {describe_system_error_vi(error)}. Hãy ghi đường dẫn khác hoặc sửa quyền "
        "của thư mục.",
    )


def refuse_options_before_command(context: typer.Context) -> None:
    """Refuse options of a group of commands that stand before one of them: it would not see them.

    Raises:
        WrongOption: there are some.
    """
    sources = (context.get_parameter_source(name) for name in context.params)
    if any(source is not None and source.name == "COMMANDLINE" for source in sources):
        command = f"{context.command_path} {context.invoked_subcommand}"
        raise WrongOption(
            f"write the options after the command: {command} …", vi=f"hãy viết các tùy chọn sau tên lệnh: {command} …"
        )
