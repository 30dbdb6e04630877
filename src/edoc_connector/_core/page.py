"""Pages of long lists, and the walk through all of them in constant memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Page(list[T], Generic[T]):
    """A part of a list, in order; a list of its own, with the place where the next part begins.

    Args:
        items: what is on it.
        next: the cursor of the next page, for ``after=``; None where this is the last one.
    """

    def __init__(self, items: Iterable[T] = (), *, next: str | None = None) -> None:
        super().__init__(items)
        self.next = next

    def __repr__(self) -> str:
        return f"Page({super().__repr__()}, next={self.next!r})"


def iterate_pages(load_page: Callable[[str | None], Page[T]]) -> Iterator[T]:
    """Walk through a list, one page in memory at a time.

    Args:
        load_page: loads the page after a cursor; the first one for None.
    """
    after: str | None = None
    while True:
        page = load_page(after)
        yield from page
        if page.next is None:
            return
        after = page.next


async def iterate_pages_async(load_page: Callable[[str | None], Awaitable[Page[T]]]) -> AsyncIterator[T]:
    """Walk through a list as `iterate_pages` does, with pages that are awaited."""
    after: str | None = None
    while True:
        page = await load_page(after)
        for item in page:
            yield item
        if page.next is None:
            return
        after = page.next
