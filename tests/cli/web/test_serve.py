"""The command web."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


@pytest.mark.parametrize(
    ("listen", "words"), [("0.0.0.0:0", "TLS"), ("127.0.0.1:x", "[HOST:]PORT"), ("desk.local:0", "TLS")]
)
def test_it_does_not_start_where_passwords_could_be_read(
    offices: dict[str, Path], edoc: Edoc, listen: str, words: str
) -> None:
    """Beyond this machine it needs TLS, or a proxy that has it; the error says which settings."""
    ran = edoc("web", "--listen", listen, "-c", offices["H29.05"])
    assert (ran.code, words in ran.err) == (1, True)
