"""Pages in two languages: `X.vi.md` takes the place of `X.md` in the Vietnamese site, under the same address.

A page that has no `X.vi.md` is shown in English, with a line that says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from myst_parser.slugs import github_slugify
from pygments.lexers.special import TextLexer
from sphinx.util import logging
from translations import BOTH, headings

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_logger = logging.getLogger(__name__)
INDEX = "docs/index"
DECISIONS = "docs/decisions/README"
MADE = "<!-- pages made from the code -->"
MADE_PAGES = {
    "en": "- [All options of all commands](reference/commands.md): as `--help` says them\n"
    "- [All settings](reference/settings.md): with their defaults\n"
    "- [Catalogues of codes](reference/codes.md): errors and reasons\n"
    "- [Python API](reference/index.md): classes and functions, from their docstrings\n",
    "vi": "- [Mọi tùy chọn của từng lệnh](reference/commands.md): như `--help` hiển thị\n"
    "- [Mọi mục cấu hình](reference/settings.md): kèm giá trị mặc định\n"
    "- [Danh mục mã](reference/codes.md): lỗi và kết luận kiểm tra chữ ký\n"
    "- [API Python](reference/index.md): lớp và hàm, lấy từ docstring (tiếng Anh)\n",
}
COMPLETED = (
    ("furo_navigation_tree", 'role="heading"', 'role="heading" aria-level="2"'),
    ("body", "<pre>", '<pre tabindex="0">'),  # what is wider than the page is scrolled by keyboard too
    ("body", '<div class="table-wrapper', '<div tabindex="0" class="table-wrapper'),
)
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^()\s#:]+)(#[^()\s]*)?\)")
_NOTE = ":::{note}\nTrang này hiện chỉ có bằng tiếng Anh.\n:::\n\n"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    for name in ("csv", "cron"):
        app.add_lexer(name, TextLexer)
    app.connect("source-read", read_page)
    app.connect("doctree-read", name_anchors)
    app.connect("html-page-context", complete_page, priority=900)  # after the theme made its navigation
    return {"parallel_read_safe": True}


def read_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the page in the site's language in the place of its source."""
    root, page = Path(app.srcdir), Path(app.srcdir, f"{docname}.md")
    translated = page.with_suffix(".vi.md")
    if app.config.language == "vi" and translated.exists():
        source[0] = translated.read_text(encoding="utf-8")
    text = source[0]
    if docname == INDEX:
        text = text.replace(MADE, MADE_PAGES[app.config.language])
        source[0] = add_navigation(_site_links(text, page.parent, root))
        return
    text = _site_links(text, page.parent, root)
    if app.config.language == "vi" and not translated.exists() and not has_both(docname):
        text = add_note(text)
    if docname == DECISIONS:
        text += "\n```{toctree}\n:hidden:\n:glob:\n\n*\n```\n"
    source[0] = f"---\norphan: true\n---\n{text}" if docname.startswith("examples/") else text


def has_both(docname: str) -> bool:
    """Whether a page has both languages in itself, or is the code's own."""
    return docname in BOTH or docname.startswith("docs/reference/")


def name_anchors(app: Sphinx, doctree: nodes.document) -> None:
    """Let links to a heading of the English page lead to the same heading of the Vietnamese one."""
    docname = app.env.docname
    page = Path(app.srcdir, f"{docname}.md")
    if app.config.language != "vi" or not page.with_suffix(".vi.md").exists():
        return
    slugs = app.env.metadata[docname]["myst_slugs"]
    english = [github_slugify(heading.replace("`", "")) for heading in headings(page.read_text(encoding="utf-8"))]
    sections = list(doctree.findall(nodes.section))
    if len(sections) != len(english):
        _logger.warning("%s.vi.md has other headings than %s.md", docname, docname)
    for slug, section in zip(english, sections, strict=False):
        if slug not in section["ids"]:
            section["ids"].append(slug)
        slugs.setdefault(slug, (section.line or 0, slug, section[0].astext()))


def complete_page(
    app: Sphinx, pagename: str, _template: str, context: dict[str, Any], _doctree: nodes.document | None
) -> None:
    """Add to a page where its other language is, and what a reader with a keyboard or a screen reader needs."""
    other = "en" if app.config.language == "vi" else "vi"
    context["other_language"] = other
    context["other_page"] = "../" * (pagename.count("/") + 1) + f"{other}/{pagename}.html"
    for part, old, new in COMPLETED:
        if part in context:
            context[part] = context[part].replace(old, new)


def add_note(text: str) -> str:
    """A page with a line below its title that says that it is in English only."""
    title, _, rest = text.partition("\n")
    return f"{title}\n\n{_NOTE}{rest}"


def add_navigation(text: str) -> str:
    """The index with a tree of contents for each of its lists, under the list's heading."""
    heading, *parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    trees = (_tree(title, part) for title, part in zip(parts[::2], parts[1::2], strict=True))
    return (
        heading
        + "".join(f"## {title}{part}" for title, part in zip(parts[::2], parts[1::2], strict=True))
        + "".join(trees)
    )


def _tree(title: str, part: str) -> str:
    entries = [f"{name} </{_docname(target)}>" for name, target in listed(part)]
    return f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n" + "\n".join(entries) + "\n```\n" if entries else ""


def listed(text: str) -> Iterator[tuple[str, str]]:
    """Name and target of each page that a list of the index names first in its line."""
    return ((line[1], line[2]) for line in re.finditer(r"^- \[([^\]]+)\]\(([^()#]+\.md)\)(?: ·|:)", text, re.MULTILINE))


def _docname(target: str) -> str:
    path = target.removesuffix(".md")
    return path.removeprefix("../") if path.startswith("../") else f"docs/{path}"


def _site_links(text: str, folder: Path, root: Path) -> str:
    """The text with links that lead to the site's own pages, and with names in the place of files that it has not."""
    return _LINK.sub(lambda link: _site_link(link, folder, root), text)


def _site_link(link: re.Match[str], folder: Path, root: Path) -> str:
    name, target, anchor = link[1], link[2], link[3] or ""
    if target.endswith(".vi.md"):
        return f"[{name}]({target.removesuffix('.vi.md')}.md{anchor})"
    path = (folder / target).resolve()
    if path.is_dir() and (path / "README.md").exists() and is_shown((path / "README.md").relative_to(root)):
        return f"[{name}]({target.rstrip('/')}/README.md{anchor})"
    if path.is_dir() or (path.suffix == ".md" and not is_shown(path.relative_to(root))):
        return f"{name} (`{path.relative_to(root)}`)"
    return link[0]


def is_shown(page: Path) -> bool:
    """Whether the site has a page, by its path from the root; what it does not have is named, not linked."""
    return page.parts[0] in ("docs", "examples") or len(page.parts) == 1
