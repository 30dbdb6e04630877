"""Secrets by reference: the configuration says where a secret is, never what it is."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, SecretStr
from pydantic_core import core_schema

from .._core import Text
from ..errors import describe_system_error, describe_system_error_vi
from .messages import (
    EMPTY_SECRET,
    OUTPUT_NOT_UTF8,
    REFERENCE_HINT,
    SECRET_NOT_UTF8,
    VARIABLE_NOT_SET,
    build_unresolved_error,
    describe_exit_code,
    describe_program_failure,
)

COMMAND_SECONDS = 30
"""Longest time that a program may take to print a secret."""


@dataclass(frozen=True, slots=True)
class SecretRef:
    """A reference to a secret.

    ``env:NAME``
        an environment variable.
    ``file:PATH``
        a file of UTF-8 text, without the line end at its end; relative to the folder of the configuration.
    ``cmd:PROGRAM ARGUMENTS``
        the output of a program, which is started directly, without a shell; quotes group words as a shell would.

    Args:
        scheme: ``env``, ``file`` or ``cmd``.
        location: the rest, behind the colon.
    """

    scheme: str
    location: str

    @classmethod
    def parse(cls, text: object) -> SecretRef:
        """Parse a reference.

        Raises:
            ValueError: the text is none; as it may be a secret, it is not repeated.
        """
        scheme, colon, rest = text.partition(":") if isinstance(text, str) else ("", "", "")
        if not colon or scheme not in _READERS or not rest.strip():
            raise ValueError(REFERENCE_HINT.en)
        return cls(scheme, rest)

    @classmethod
    def is_reference(cls, text: str) -> bool:
        """Tell whether a text has the form of a reference."""
        scheme, _, rest = text.partition(":")
        return scheme in _READERS and bool(rest.strip())

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Let pydantic parse references."""
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls.parse(value),
            serialization=core_schema.to_string_ser_schema(),
        )

    def __str__(self) -> str:
        return f"{self.scheme}:{self.location}"

    def resolve(self, folder: Path) -> SecretStr:
        """Fetch the secret.

        Args:
            folder: start of relative paths, and working directory of commands.

        Raises:
            ConfigError: the reference leads to no secret.
        """
        value = _READERS[self.scheme](self.location, folder)
        if not value:
            raise build_unresolved_error(self, EMPTY_SECRET)
        return SecretStr(value)


def _read_env(name: str, _folder: Path) -> str:
    value = os.environ.get(name)
    if value is None:
        raise build_unresolved_error(SecretRef("env", name), VARIABLE_NOT_SET)
    return value


def _read_secret_file(path: str, folder: Path) -> str:
    ref = SecretRef("file", path)
    try:
        return (folder / Path(path).expanduser()).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        reason = Text(describe_system_error(error), describe_system_error_vi(error))
        raise build_unresolved_error(ref, reason) from error
    except UnicodeDecodeError:
        raise build_unresolved_error(ref, SECRET_NOT_UTF8) from None


def _run_secret_command(line: str, folder: Path) -> str:
    ref = SecretRef("cmd", line)
    try:
        completed = subprocess.run(  # noqa: S603  the configuration's owner chose the program; no shell takes part
            shlex.split(line), cwd=folder, capture_output=True, timeout=COMMAND_SECONDS, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise build_unresolved_error(ref, describe_program_failure(error)) from None
    if completed.returncode != 0:
        raise build_unresolved_error(ref, describe_exit_code(completed.returncode))
    try:
        return completed.stdout.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise build_unresolved_error(ref, OUTPUT_NOT_UTF8) from None


_READERS: Mapping[str, Callable[[str, Path], str]] = {
    "env": _read_env,
    "file": _read_secret_file,
    "cmd": _run_secret_command,
}
