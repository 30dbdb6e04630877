"""The configuration of a command, in the environment that `--env` or ``EDOC_ENV`` names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

if TYPE_CHECKING:
    from ..config import Settings

EnvironmentOption = Annotated[
    str | None,
    typer.Option(
        "--env",
        metavar="NAME",
        envvar="EDOC_ENV",
        help=escape(
            "Which [env.NAME] of the configuration, such as test or production. / Môi trường trong tệp cấu hình."
        ),
    ),
]


class _Run:
    """The environment of the command that is run."""

    environment: str | None = None


def choose_environment(name: str | None) -> None:
    """Choose the environment of the configuration for the command that is run.

    Args:
        name: `--env`; None for what ``EDOC_ENV`` says.
    """
    _Run.environment = name


def load_settings(config: Path, agency: str | None) -> Settings:
    """Load the settings of an agency.

    Args:
        config: `--config`.
        agency: `--agency`; needed where the configuration has several agencies.
    """
    from ..config import Settings

    return Settings.load(config, agency=agency, env=_Run.environment)


def load_fleet(config: Path, agency: str | None = None) -> tuple[Settings, ...]:
    """Load the settings of every agency of a configuration, or of the one that `--agency` names."""
    from ..config import Settings

    if agency is not None:
        return (load_settings(config, agency),)
    return Settings.fleet(config, env=_Run.environment)
