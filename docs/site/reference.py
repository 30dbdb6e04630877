"""Writes the pages that come from the code alone, before Sphinx reads them: docs/reference/, which no commit has."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalogues import format_codes, format_commands, format_settings

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOORS = (
    ("edoc_connector", "What a caller imports first; the list with a line for each is docs/api.md."),
    ("edoc_connector.connector", "Results and helpers of the connector."),
    ("edoc_connector.edxml", "The packet: read, write, rules, findings."),
    ("edoc_connector.signing", "Keys, packet signatures, seals."),
    ("edoc_connector.hubs", "The dialects, without any network."),
    ("edoc_connector.evidence", "The log of the evidence, and packs of it."),
    ("edoc_connector.worker", "The worker, its metrics and alerts."),
    ("edoc_connector.gateway", "The gateway over HTTP."),
    ("edoc_connector.pdf", "Signatures in PDF files."),
    ("edoc_connector.mockhub", "The mock hub."),
    ("edoc_connector.testing", "Sample documents, throwaway keys, a mock hub in a thread."),
)
"""Packages whose doors are documented, with a line on each. A name that an earlier one exports is not repeated."""

FOLDER = "docs/reference"
CATALOGUES = {"commands": format_commands, "settings": format_settings, "codes": format_codes}

ELSEWHERE = """# API Python

Phần này lấy từ docstring trong mã nguồn nên chỉ có bằng tiếng Anh:
<a href="../../../en/docs/reference/index.html">Python API</a>.
"""


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True}


def write_pages(app: Sphinx) -> None:
    """Write the catalogues, in the site's language, and a page per package, in English, as docstrings are."""
    folder = Path(app.srcdir, FOLDER)
    folder.mkdir(exist_ok=True)
    for name, make in CATALOGUES.items():
        _write(folder / f"{name}.md", make(app.config.language))
    if app.config.language == "vi":
        app.config.exclude_patterns.append(f"{FOLDER}/edoc_connector*")
        _write(folder / "index.md", ELSEWHERE)
        return
    seen: set[int] = set()
    for door, about in DOORS:
        _write(folder / f"{door}.md", format_page(door, about, seen))
    entries = "\n".join(door for door, _ in DOORS)
    _write(folder / "index.md", f"# Python API\n\n```{{toctree}}\n:maxdepth: 1\n\n{entries}\n```\n")


def _write(page: Path, text: str) -> None:
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")


def format_page(door: str, about: str, seen: set[int]) -> str:
    """The page of one package: a directive for each name that no page before has."""
    module = import_module(door)
    directives = []
    for name in sorted(module.__all__):
        value = getattr(module, name)
        if id(value) not in seen and not name.startswith("__") and not inspect.ismodule(value):
            seen.add(id(value))
            directives.append(_directive(f"{door}.{name}", value))
    return f"# {door}\n\n{about}\n\n```{{eval-rst}}\n.. currentmodule:: {door}\n\n" + "\n".join(directives) + "```\n"


def _directive(path: str, value: object) -> str:
    if isinstance(value, type):
        kind = "autoexception" if issubclass(value, BaseException) else "autoclass"
        return f".. {kind}:: {path}\n   :members:\n   :show-inheritance:\n"
    if callable(value):
        return f".. autofunction:: {path}\n"
    return f".. py:data:: {path}\n   :type: {type(value).__name__}\n"
