"""The command explain: tells the story of a document."""

from __future__ import annotations

from typing import Annotated

import typer

from ..._core import escape_lines
from ...errors import NotFound, choose_words
from ..errors import name_commands
from ..options import CONFIG, AgencyOption, ConfigOption, JsonFlag
from ..output import print_json
from .connection import open_connector
from .document_id import find_any_id
from .near_ids import build_unknown_id_error


def explain(
    document_id: Annotated[
        str,
        typer.Argument(
            metavar="DOCUMENT-ID|NUMBER", help="Its id, 7816/SNV-VP, or a docId. / Mã, số ký hiệu, hoặc docId."
        ),
    ],
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Tell what happened to a document and what happens next. / Kể lại diễn biến của văn bản và việc sắp tới."""
    with open_connector(config, agency) as connector:
        document_id = find_any_id(connector, document_id)
        try:
            story = connector.explain(document_id)
        except NotFound:
            raise build_unknown_id_error(connector, document_id) from None
    if not as_json:
        story_text = choose_words(story.text(), story.text(vi=True))
        typer.echo(name_commands(escape_lines(story_text).rstrip()))
        return
    print_json(
        {
            "document_id": story.document_id,
            "title": {"en": story.title, "vi": story.title_vi},
            "events": [{"time": one.time.isoformat(), "en": one.text, "vi": one.text_vi} for one in story.events],
            "next": [{"en": en, "vi": vi} for en, vi in zip(story.next, story.next_vi, strict=True)],
        }
    )
