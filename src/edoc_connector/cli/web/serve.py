"""The command web: serves the desk for people."""

from __future__ import annotations

from pathlib import Path

import typer

from ..._core import parse_address
from ...errors import ConfigError
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

web_commands = typer.Typer(
    name="web",
    help="The desk for people: documents in a browser. / Bàn làm việc văn bản trên trình duyệt.",
    invoke_without_command=True,
)


def require_web() -> None:
    """Check for the extra of the desk, before anything is started.

    Raises:
        ConfigError: the extra is not installed; the message holds the line that installs it.
    """
    from importlib.util import find_spec

    if any(find_spec(name) is None for name in ("argon2", "jinja2", "starlette", "uvicorn", "python_multipart")):
        raise ConfigError(
            "the desk needs the extra 'web'; install it: pip install 'edoc-connector[web]'",
            vi="bàn làm việc cần gói bổ sung 'web'; hãy cài: pip install 'edoc-connector[web]'",
        )


@web_commands.callback()
def web(
    context: typer.Context,
    listen: ListenOption = None,
    worker: WorkerOption = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Serve the desk of an agency until stopped (SIGTERM, Ctrl-C), and send and receive beside it.

    Who works at it: `edoc web user add`. Mở bàn làm việc văn bản cho văn thư, lãnh đạo, chuyên viên.
    """
    if context.invoked_subcommand is not None:
        refuse_options_before_command(context)
        return
    _serve(config, agency, listen, worker=worker)


def _serve(config: Path, agency: str | None, listen: str | None, *, worker: bool | None) -> None:
    require_web()
    from ...config import Settings
    from ...desk import Desk

    settings = Settings.load(config, agency=agency)
    if worker is not None:
        settings = settings.model_copy(update={"web": settings.web.model_copy(update={"worker": worker})})
    begin_log(settings.logs)
    warn_of_settings(settings.list_warnings())
    host, port = (None, None) if listen is None else parse_address(listen)
    Desk(settings, host=host, port=port).serve(
        lambda url: say(f"desk ready: {url}", f"bàn làm việc đã sẵn sàng: {url}")
    )
