"""The command explain."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edoc_connector.testing import sample_document

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc, Ran


ID = sample_document().id


def test_a_story_is_told_in_both_languages(office: Path, edoc: Edoc, send: Callable[[], Ran]) -> None:
    """For people, and as JSON (issue, "edoc explain")."""
    send()
    told = edoc("explain", ID).out
    assert "the hub took it: docId" in told
    assert "trục đã nhận: docId" in told
    story = json.loads(edoc("explain", ID, "--json").out)
    assert story["next"] == [{"en": "G22 has not reported 01 (arrived).", "vi": "G22 chưa báo 01 (đã đến)."}]
    assert edoc("explain", "x").code == 1
