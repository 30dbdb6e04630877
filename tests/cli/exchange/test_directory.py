"""The command directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


def test_the_directory(offices: dict[str, Path], edoc: Edoc) -> None:
    """It is taken over when asked for, and listed from the store otherwise."""
    first = edoc("directory", "-c", offices["G22"])
    assert "edoc agencies sync" in first.out
    assert "goes with the next release" in first.err
    assert "sẽ bị bỏ ở bản sau" in first.err
    synced = edoc("directory", "--sync", "-c", offices["G22"])
    assert "Văn phòng Chính phủ" in synced.out
    codes = {one["code"] for one in json.loads(edoc("directory", "-c", offices["G22"], "--json").out)["items"]}
    assert {"G22", "H29.05"} <= codes
