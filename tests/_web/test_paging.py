"""Pages of lists."""

from __future__ import annotations

import pytest

from edoc_connector._web import Paging


@pytest.mark.parametrize(
    ("text", "total", "expected"),
    [
        ("", 0, (1, 1, 0, 0)), ("2", 45, (2, 3, 21, 40)), ("3", 45, (3, 3, 41, 45)), ("9", 45, (3, 3, 41, 45)),
        ("0", 45, (1, 3, 1, 20)), ("-1", 45, (1, 3, 1, 20)), ("x", 20, (1, 1, 1, 20)), ("9" * 99, 45, (1, 3, 1, 20)),
        ("²", 45, (1, 3, 1, 20)),
    ],
)  # fmt: skip
def test_a_page_that_is_there_is_shown(text: str, total: int, expected: tuple[int, ...]) -> None:
    """Whatever is asked for, the page shown is one of the list, and says which rows it has."""
    page = Paging.parse(text, total=total)
    assert (page.number, page.pages, page.first, page.last) == expected
