"""Hold pages that stand in two languages, `X.md` and `X.vi.md`, in step: paragraph by paragraph.

Both pages have the same blocks (headings, paragraphs, rows of tables, code) in the same order, and code that differs in
its comments only. `translations.json` has a fingerprint of each pair of blocks that somebody held side by side. Where a
block changes in one language, its pair is not in there:

    python docs/site/translations.py                 # says which blocks lag, and exits with 1
    python docs/site/translations.py mark docs/X.md  # after X.vi.md says what X.md says now
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECORD = Path(__file__).with_name("translations.json")
BOTH = ("CHANGELOG",)
"""Pages in which nothing is to be translated, or that have both languages in one file."""

_FENCE = re.compile(r"^(```+|:::+)")
_COMMENT = re.compile(r"^<!--.*-->$")
_HEADING = re.compile(r"^#{1,4} (.+)$")


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a page that is translated as a whole.

    Args:
        line: where it begins, from 1.
        kind: "heading 2", "row", "code" or "text".
        text: all of it.
    """

    line: int
    kind: str
    text: str

    def without_comments(self) -> list[str]:
        """The lines of code, up to where a comment begins."""
        return [re.split(r"(?:^|\s{2,})#", line)[0].rstrip() for line in self.text.splitlines()]


def split_blocks(page: str) -> list[Block]:
    """Cut a page into headings, rows, code and paragraphs."""
    return list(_blocks(page.splitlines()))


def _blocks(lines: list[str]) -> Iterator[Block]:
    at = 0
    while at < len(lines):
        end = _end(lines, at)
        if _kind(lines[at]) != "nothing":
            yield Block(at + 1, _kind(lines[at]), "\n".join(lines[at:end]))
        at = end


def _kind(line: str) -> str:
    if not line.strip() or _COMMENT.match(line):
        return "nothing"
    if _FENCE.match(line):
        return "code"
    if _HEADING.match(line):
        return f"heading {len(line) - len(line.lstrip('#'))}"
    return "row" if line.startswith("|") else "text"


def _end(lines: list[str], start: int) -> int:
    kind = _kind(lines[start])
    if kind == "code":
        closed = (at for at in range(start + 1, len(lines)) if lines[at].startswith(lines[start][:3]))
        return next(closed, len(lines) - 1) + 1
    if kind != "text":
        return start + 1
    ends = (at for at in range(start + 1, len(lines)) if _kind(lines[at]) != "text" or _item(lines[at]))
    return next(ends, len(lines))


def _item(line: str) -> bool:
    return re.match(r"\s*([-*]|\d+\.) ", line) is not None


def headings(page: str) -> list[str]:
    """The headings of a page, in order, as they are written."""
    return [block.text.lstrip("#").strip() for block in split_blocks(page) if block.kind.startswith("heading")]


def pairs(root: Path = ROOT) -> list[tuple[Path, Path]]:
    """Each page that has a Vietnamese one beside it, with that."""
    pages = (page for folder in (root, root / "docs", root / "docs/decisions") for page in folder.glob("*.vi.md"))
    return sorted((page.with_name(page.name.removesuffix(".vi.md") + ".md"), page) for page in pages)


def _print(english: Block, vietnamese: Block) -> str:
    return hashlib.sha256(f"{english.text}\0{vietnamese.text}".encode()).hexdigest()[:12]


def find_differences(english: str, vietnamese: str) -> Iterator[str]:
    """Say where two pages do not have the same blocks, or not the same code."""
    for ours, theirs in zip_longest(split_blocks(english), split_blocks(vietnamese)):
        if ours is None or theirs is None or ours.kind != theirs.kind:
            yield f"{_place(ours)} stands beside {_place(theirs)}"
            return
        if ours.kind == "code" and ours.without_comments() != theirs.without_comments():
            yield f"{_place(ours)} and {_place(theirs)} differ in more than comments"


def _place(block: Block | None) -> str:
    return f"line {block.line} ({block.kind})" if block else "the end"


def find_lagging(english: str, vietnamese: str, held: set[str]) -> Iterator[str]:
    """Name each block that has not been held beside its translation since one of the two changed."""
    blocks = zip(split_blocks(english), split_blocks(vietnamese), strict=True)
    for ours, theirs in blocks:
        if ours.text != theirs.text and _print(ours, theirs) not in held:
            yield f"line {ours.line} and line {theirs.line} of the Vietnamese page: {ours.text.splitlines()[0][:60]}"


def check(root: Path = ROOT, record: Path = RECORD) -> list[str]:
    """List what lags, page by page; nothing where all is in step."""
    held = json.loads(record.read_text(encoding="utf-8"))
    lagging = ((english, _check_pair(english, vietnamese, _held_of(held, english, root)))
               for english, vietnamese in pairs(root))  # fmt: skip
    return [f"{english.relative_to(root)}: {what}" for english, found in lagging for what in found]


def _held_of(held: dict[str, list[str]], english: Path, root: Path) -> set[str]:
    return set(held.get(english.relative_to(root).as_posix(), []))


def _check_pair(english: Path, vietnamese: Path, held: set[str]) -> list[str]:
    texts = english.read_text(encoding="utf-8"), vietnamese.read_text(encoding="utf-8")
    return list(find_differences(*texts)) or list(find_lagging(*texts, held))


def mark(pages: list[str], root: Path = ROOT, record: Path = RECORD) -> None:
    """Record that pages are in step, as somebody has just seen."""
    held = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    wanted = {(root / page).resolve() for page in pages}
    for english, vietnamese in pairs(root):
        if english.resolve() in wanted:
            held[english.relative_to(root).as_posix()] = _print_pair(english, vietnamese)
    record.write_text(json.dumps(held, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _print_pair(english: Path, vietnamese: Path) -> list[str]:
    blocks = (split_blocks(page.read_text(encoding="utf-8")) for page in (english, vietnamese))
    return sorted({_print(*pair) for pair in zip(*blocks, strict=True) if pair[0].text != pair[1].text})


if __name__ == "__main__":
    if sys.argv[1:2] == ["mark"]:
        mark(sys.argv[2:])
    lagging = check()
    print("\n".join(lagging) or "All pages are in step.")
    sys.exit(1 if lagging else 0)
