"""The commands gateway webhooks: where events are told, and to tell them once more."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import ConfigError
from ..options import CONFIG, AgencyOption, ConfigOption, JsonFlag
from ..output import print_json, print_table, say
from .offices import open_office

if TYPE_CHECKING:
    from ...gateway import Office

webhook_commands = typer.Typer(
    name="webhooks", help="Where events are told. / Nơi nhận thông báo sự kiện.", no_args_is_help=True
)

_WebhookId = Annotated[int, typer.Argument(metavar="ID", help="As `list` shows it. / Số thứ tự.")]


@webhook_commands.command()
def add(
    url: Annotated[str, typer.Argument(help="https://…, or http:// on this machine. / Địa chỉ nhận.")],
    secret: Annotated[
        list[str],
        typer.Option(
            metavar="REF", help="Secret that signs: env:NAME, file:PATH or cmd:…; the current one first. / Khóa ký."
        ),
    ],
    event: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only these events; repeat it. / Chỉ các sự kiện này.")
    ] = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Tell an address of what happens from now on, signed as Standard Webhooks has it. / Khai báo nơi nhận."""
    with open_office(config, agency) as office:
        from ...gateway import add_webhook

        row = add_webhook(office, url, secrets=secret, events=event)
    say(f"webhook {row.id}: {row.url}", f"đã khai báo webhook {row.id}")


@webhook_commands.command("list")
def list_(
    failures: Annotated[
        int | None,
        typer.Option("--failures", metavar="ID", help="What this one did not take. / Thông báo chưa nhận được."),
    ] = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List where events are told, and how many were; never a secret. / Xem nơi nhận và số thông báo."""
    with open_office(config, agency) as office:
        if failures is None:
            _print_webhooks(office, as_json=as_json)
        else:
            _print_failures(office, failures, as_json=as_json)


def _print_webhooks(office: Office, *, as_json: bool) -> None:
    from ...gateway import describe_webhooks

    found: list[dict[str, Any]] = [
        {
            "id": one.row.id,
            "url": one.row.url,
            "secrets": list(one.row.secret_references),
            "events": one.row.event_names,
            "counts": one.counts,
            "failures": one.row.failures,
            "gone_at": one.row.gone_at and one.row.gone_at.isoformat(),
        }
        for one in describe_webhooks(office)
    ]
    if as_json:
        print_json(found)
        return
    columns = ("id", "url", "secrets / khóa ký", "ready / chờ", "delivered / đã nhận", "failed / bỏ")
    counted = ("ready", "delivered", "failed")
    rows = (
        (one["id"], one["url"], ", ".join(one["secrets"]), *(one["counts"].get(n, 0) for n in counted)) for one in found
    )
    print_table(f"Webhooks: {len(found)}", columns, rows)


def _print_failures(office: Office, webhook_id: int, *, as_json: bool) -> None:
    from ...gateway import list_failures

    found = [
        {
            "event": one.message.timeline_id,
            "document_id": one.change.document_id,
            "state": one.message.state,
            "attempts": one.message.attempts,
            "error": one.message.error_text,
            "error_vi": one.message.error_vi,
        }
        for one in list_failures(office, webhook_id)
    ]
    if as_json:
        print_json(found)
        return
    columns = ("event / sự kiện", "DocumentId / mã văn bản", "state / tình trạng", "tries / số lần", "error / lỗi")
    rows = ((one["event"], one["document_id"], one["state"], one["attempts"], one["error"]) for one in found)
    print_table(f"Not taken / Chưa nhận: {len(found)}", columns, rows)


@webhook_commands.command()
def replay(
    webhook_id: _WebhookId,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Since then, 2026-11-20T08:00+07:00. / Từ thời điểm này."),
    ] = None,
    event: Annotated[
        list[int] | None, typer.Option(metavar="NUMBER", help="Only these events; repeat it. / Chỉ các sự kiện này.")
    ] = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Tell an address once more what it was told or did not take, with the same ids. / Gửi lại thông báo."""
    with open_office(config, agency) as office:
        from ...gateway import replay_webhook

        count = replay_webhook(office, webhook_id, since=_parse_time(since), numbers=event)
    say(f"{count} messages are told again", f"sẽ gửi lại {count} thông báo")


@webhook_commands.command()
def remove(webhook_id: _WebhookId, config: ConfigOption = CONFIG, agency: AgencyOption = None) -> None:
    """Stop telling an address, and forget what it was not told yet. / Bỏ nơi nhận."""
    with open_office(config, agency) as office:
        from ...gateway import remove_webhook

        row = remove_webhook(office, webhook_id)
    say(f"removed: {row.url}", f"đã bỏ: {row.url}")


def _parse_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigError(
            f"--since {text}: write a time with its zone, 2026-11-20T08:00+07:00.",
            vi=f"--since {text}: hãy ghi thời điểm kèm múi giờ, ví dụ 2026-11-20T08:00+07:00.",
        )
    return moment
