"""Commands that run things: the mock hub and the demonstration."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import ConfigError
from ..output import JsonFlag, say

if TYPE_CHECKING:
    from ...mockhub import MockHubConfig


class HashForm(StrEnum):
    """Which form of hash-file the mock hub takes."""

    ANY = "any"
    SDK = "sdk"
    EXACT = "exact"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(demo)
    app.command()(mockhub)


def demo(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Files to send; without any, a PDF is made. / Tệp cần gửi."),
    ] = None,
    folder: Annotated[
        Path, typer.Option(metavar="DIR", help="Where everything is put. / Thư mục chứa mọi thứ.")
    ] = Path("edoc-demo"),
    as_json: JsonFlag = False,
) -> None:
    """Watch a document travel to another agency and its status come back. / Xem một văn bản đi và trạng thái quay về.

    Makes keys and two agencies, starts a mock hub, sends, receives, verifies, saves and accepts. Exit code 0 only if
    all of it happened.
    """
    _require_mockhub()
    from .demo import run_demo

    run_demo(files or [], folder, as_json=as_json)


def mockhub(
    data: Annotated[Path, typer.Option(metavar="DIR", help="Database and packets. / Thư mục dữ liệu.")],
    agency: Annotated[
        list[str],
        typer.Option(
            metavar="CODE:SECRET[:NAME]",
            help="An agency; repeat it. The secret may be a reference, CODE:env:NAME or CODE:file:PATH: other users of "
            "the machine can read a command line. / Một đơn vị; dùng nhiều lần.",
        ),
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port, 0 for a free one. / Cổng TCP.")] = 8480,
    host: Annotated[str, typer.Option(help="Address to listen on. / Địa chỉ lắng nghe.")] = "127.0.0.1",
    pass_through: Annotated[
        bool,
        typer.Option(
            "--pass-through",
            help="Deliver the bytes that were sent, do not rebuild packets. / "
            "Chuyển nguyên gói tin, không đóng gói lại.",
        ),
    ] = False,
    hash_form: Annotated[
        HashForm, typer.Option("--hash", help="Form of hash-file to insist on. / Dạng hash-file được chấp nhận.")
    ] = HashForm.ANY,
    clock_tolerance: Annotated[
        int, typer.Option(min=1, metavar="SECONDS", help="How far a time stamp may be off. / Độ lệch giờ cho phép.")
    ] = 300,
    refuse: Annotated[
        list[str] | None,
        typer.Option(metavar="CALL", help="Refuse a call, e.g. getSentEdocList; repeat it. / Từ chối một lệnh gọi."),
    ] = None,
) -> None:
    """Run a hub to test against; its page is at the address it prints. / Chạy trục giả lập để kiểm thử."""
    _require_mockhub()
    from ...mockhub import AgencySpec, MockHubConfig, serve

    config: MockHubConfig = MockHubConfig(
        data=data,
        agencies=tuple(AgencySpec.parse(text) for text in agency),
        hash=hash_form.value,
        pass_through=pass_through,
        clock_tolerance=timedelta(seconds=clock_tolerance),
        refuse=frozenset(refuse or ()),
    )
    serve(config, host=host, port=port, on_ready=_announce_url)


def _announce_url(url: str) -> None:
    say(f"mock hub ready: {url}", f"trục giả lập đã sẵn sàng: {url}")


def _require_mockhub() -> None:
    """Check for the extra before anything is started.

    Raises:
        ConfigError: it is not installed; the message holds the line that installs it.
    """
    from importlib.util import find_spec

    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise ConfigError(
            "the mock hub needs the extra 'mockhub'; install it: pip install 'edoc-connector[mockhub]'",
            vi="trục giả lập cần gói bổ sung 'mockhub'; hãy cài: pip install 'edoc-connector[mockhub]'",
        )
