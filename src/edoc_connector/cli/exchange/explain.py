"""The command `edoc explain`: what happened to a document, and what happens next."""

from __future__ import annotations

from typing import Annotated

import typer

from ..output import JsonFlag, as_printable, name_commands, print_json
from .send import CONFIG, AgencyOption, ConfigOption, open_connector


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explain)


def explain(
    document_id: Annotated[
        str, typer.Argument(metavar="DOCUMENT-ID", help="Sent or received; or a docId of the hub. / Mã văn bản.")
    ],
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Tell what happened to a document and what happens next. / Kể lại diễn biến của văn bản và việc sắp tới."""
    with open_connector(config, agency) as connector:
        story = connector.explain(document_id)
    if not as_json:
        typer.echo(name_commands(as_printable(f"{story.text()}\n{story.text(vi=True)}").rstrip()))
        return
    print_json(
        {
            "document_id": story.document_id,
            "title": {"en": story.title, "vi": story.title_vi},
            "events": [{"time": one.time.isoformat(), "en": one.text, "vi": one.text_vi} for one in story.events],
            "next": [{"en": en, "vi": vi} for en, vi in zip(story.next, story.next_vi, strict=True)],
        }
    )
