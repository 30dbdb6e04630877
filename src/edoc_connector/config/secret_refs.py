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

from ..errors import ConfigError, describe_system_error, describe_system_error_vi

COMMAND_SECONDS = 30

REFERENCE_HINT = "write env:NAME, file:PATH or cmd:PROGRAM ARGUMENTS instead of the secret itself"
REFERENCE_HINT_VI = "hãy ghi env:TÊN_BIẾN, file:ĐƯỜNG_DẪN hoặc cmd:CHƯƠNG_TRÌNH THAM_SỐ thay cho chính giá trị bí mật"


class UnusableSetting(ValueError):
    """A setting that cannot be used; pydantic reports it, with the words of both languages.

    Args:
        message: what is wrong and what to do, in English.
        vi: the same in Vietnamese.
    """

    def __init__(self, message: str, *, vi: str) -> None:
        super().__init__(message)
        self.vi = vi


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is.

    ``env:NAME``
        an environment variable.
    ``file:PATH``
        a file of UTF-8 text, without the line end at its end; relative to the folder of the configuration.
    ``cmd:PROGRAM ARGUMENTS``
        what a program prints. It is started directly, without a shell; quotes group words as a shell would.

    Args:
        scheme: ``env``, ``file`` or ``cmd``.
        location: what follows the colon.
    """

    scheme: str
    location: str

    @classmethod
    def parse(cls, text: object) -> SecretRef:
        """Take a reference apart.

        Raises:
            ValueError: it is none; the text, which may be a secret, is not repeated.
        """
        scheme, colon, rest = text.partition(":") if isinstance(text, str) else ("", "", "")
        if not colon or scheme not in _READERS or not rest.strip():
            raise ValueError(REFERENCE_HINT)
        return cls(scheme, rest)

    @classmethod
    def is_reference(cls, text: str) -> bool:
        """Whether a text has the form of a reference."""
        scheme, _, rest = text.partition(":")
        return scheme in _READERS and bool(rest.strip())

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Let pydantic make one of a text."""
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls.parse(value),
            serialization=core_schema.to_string_ser_schema(),
        )

    def __str__(self) -> str:
        return f"{self.scheme}:{self.location}"

    def resolve(self, folder: Path) -> SecretStr:
        """Fetch the secret.

        Args:
            folder: what a relative path starts from, and where a command runs.

        Raises:
            ConfigError: there is nothing where the reference points.
        """
        value = _READERS[self.scheme](self.location, folder)
        if not value:
            raise _build_unresolved_error(self, "it is empty", "giá trị rỗng")
        return SecretStr(value)


def _read_env(name: str, _folder: Path) -> str:
    value = os.environ.get(name)
    if value is None:
        raise _build_unresolved_error(
            SecretRef("env", name), "the variable is not set", "biến môi trường chưa được đặt"
        )
    return value


def _read_secret_file(path: str, folder: Path) -> str:
    try:
        return (folder / Path(path).expanduser()).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise _build_unresolved_error(
            SecretRef("file", path), describe_system_error(error), describe_system_error_vi(error)
        ) from error
    except UnicodeDecodeError:
        raise _build_unresolved_error(
            SecretRef("file", path), "it is not UTF-8 text", "tệp không phải văn bản UTF-8"
        ) from None


def _run_secret_command(line: str, folder: Path) -> str:
    ref = SecretRef("cmd", line)
    try:
        completed = subprocess.run(  # noqa: S603  the configuration's owner chose the program; no shell takes part
            shlex.split(line), cwd=folder, capture_output=True, timeout=COMMAND_SECONDS, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        why = f"the program did not run ({type(error).__name__})"
        raise _build_unresolved_error(ref, why, "không chạy được chương trình") from None
    if completed.returncode != 0:
        # Not what it printed: that may be half of a secret.
        raise _build_unresolved_error(
            ref, f"the program ended with code {completed.returncode}", f"mã kết thúc {completed.returncode}"
        )
    try:
        return completed.stdout.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise _build_unresolved_error(ref, "it did not print UTF-8 text", "kết quả không phải văn bản UTF-8") from None


_READERS: Mapping[str, Callable[[str, Path], str]] = {
    "env": _read_env,
    "file": _read_secret_file,
    "cmd": _run_secret_command,
}


def _build_unresolved_error(ref: SecretRef, why: str, why_vi: str) -> ConfigError:
    return ConfigError(
        f"the secret at {ref} cannot be had: {why}. Put it there, or correct the reference in the configuration.",
        vi=f"Không lấy được giá trị bí mật tại {ref}: {why_vi}. "
        "Hãy đặt giá trị vào đó hoặc sửa tham chiếu trong cấu hình.",
    )
