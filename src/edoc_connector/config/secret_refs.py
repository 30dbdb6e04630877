"""Secrets by reference: the configuration says where a secret is, never what it is."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import GetCoreSchemaHandler, SecretStr
from pydantic_core import core_schema

from .._core import Text
from ..errors import describe_system_error, describe_system_error_vi
from .messages import (
    EMPTY_SECRET,
    NO_SECRET_SOURCE,
    OUTPUT_NOT_UTF8,
    REFERENCE_HINT,
    SECRET_NOT_UTF8,
    UNKNOWN_SECRET,
    VARIABLE_NOT_SET,
    build_unresolved_error,
    describe_exit_code,
    describe_program_failure,
)

COMMAND_SECONDS = 30
"""Longest time that a program may take to print a secret."""

SecretSource: TypeAlias = Callable[[str], "str | SecretStr | None"]
"""Gives the secret of a name, each time that it is needed; None where it knows none."""

_OF_PROGRAM = "secret"
_GIVEN = "given"


@dataclass(frozen=True, slots=True)
class SecretRef:
    """A reference to a secret.

    ``env:NAME``
        an environment variable.
    ``file:PATH``
        a file of UTF-8 text, without the line end at its end; relative to the folder of the configuration.
    ``cmd:PROGRAM ARGUMENTS``
        the output of a program, which is started directly, without a shell; quotes group words as a shell would.
    ``secret:NAME``
        what the program that makes the settings gives for the name (`Settings.of`, ``secrets``).

    Args:
        scheme: ``env``, ``file``, ``cmd`` or ``secret``.
        location: the rest, behind the colon.
        value: the secret itself, where a program gave that instead of a reference.
    """

    scheme: str
    location: str
    value: SecretStr | None = field(default=None, repr=False)

    @classmethod
    def of_value(cls, value: SecretStr) -> SecretRef:
        """Take a secret that a program has at hand."""
        return cls(_GIVEN, str(value), value)

    @classmethod
    def parse(cls, text: object) -> SecretRef:
        """Parse a reference.

        Raises:
            ValueError: the text is none; as it may be a secret, it is not repeated.
        """
        scheme, colon, rest = text.partition(":") if isinstance(text, str) else ("", "", "")
        if not colon or scheme not in _SCHEMES or not rest.strip():
            raise ValueError(REFERENCE_HINT.en)
        return cls(scheme, rest)

    @classmethod
    def is_reference(cls, text: str) -> bool:
        """Tell whether a text has the form of a reference."""
        scheme, _, rest = text.partition(":")
        return scheme in _SCHEMES and bool(rest.strip())

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Let pydantic parse references, and take secrets that are marked as such."""
        return core_schema.no_info_plain_validator_function(cls._take, serialization=core_schema.to_string_ser_schema())

    @classmethod
    def _take(cls, value: object) -> SecretRef:
        if isinstance(value, cls):
            return value
        return cls.of_value(value) if isinstance(value, SecretStr) else cls.parse(value)

    def __str__(self) -> str:
        return f"{self.scheme}:{self.location}"

    def resolve(self, folder: Path, secrets: SecretSource | None = None) -> SecretStr:
        """Fetch the secret.

        Args:
            folder: start of relative paths, and working directory of commands.
            secrets: gives those of ``secret:NAME``.

        Raises:
            ConfigError: the reference leads to no secret.
        """
        if self.value is not None:
            value = self.value.get_secret_value()
        elif self.scheme == _OF_PROGRAM:
            value = self._ask(secrets)
        else:
            value = _READERS[self.scheme](self.location, folder)
        if not value:
            raise build_unresolved_error(self, EMPTY_SECRET)
        return SecretStr(value)

    def _ask(self, secrets: SecretSource | None) -> str:
        if secrets is None:
            raise build_unresolved_error(self, NO_SECRET_SOURCE)
        value = secrets(self.location)
        if value is None:
            raise build_unresolved_error(self, UNKNOWN_SECRET)
        return value.get_secret_value() if isinstance(value, SecretStr) else value


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
_SCHEMES = frozenset({*_READERS, _OF_PROGRAM})
