"""An id that nothing was sent or received under."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


@pytest.mark.parametrize("command", ["show", "explain"])
def test_an_unknown_id_names_those_like_it(command: str, offices: dict[str, Path], sent: str, edoc: Edoc) -> None:
    """A typing mistake, another case, a space or the number alone: the error names the document meant, both ways."""
    for wrong in (sent[:-1], sent.lower(), sent.replace("/", " /"), "7816/SNV"):
        ran = edoc(command, wrong, "-c", offices["H29.05"])
        assert ran.code == 1
        assert f"Is it one of these? {sent}" in ran.err
        assert f"Có phải một trong các mã này? {sent}" in ran.err


@pytest.mark.parametrize("command", ["show", "explain"])
def test_an_id_like_no_other(command: str, offices: dict[str, Path], sent: str, edoc: Edoc) -> None:
    """Nothing is guessed where nothing is alike; the commands that list documents are named."""
    ran = edoc(command, "something else", "-c", offices["H29.05"])
    assert ran.code == 1
    assert "nothing was sent or received under something else" in ran.err
    assert "`edoc deliveries`" in ran.err
