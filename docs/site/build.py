"""Build the site in both languages: `python docs/site/build.py [FOLDER]`; without FOLDER it is build/docs.

Every warning is an error, links to pages and headings that are not there among them. The end says what the pages weigh.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.cmd.build import main as run_sphinx

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LANGUAGES = ("en", "vi")
ENTRY = """<!doctype html>
<html lang="vi">
<meta charset="utf-8">
<title>edoc_connector</title>
<script>location.replace((navigator.language.startsWith("vi") ? "vi" : "en") + "/docs/index.html")</script>
<p><a href="vi/docs/index.html">Tiếng Việt</a> · <a lang="en" href="en/docs/index.html">English</a></p>
</html>
"""


def build(folder: Path, languages: tuple[str, ...] = LANGUAGES) -> int:
    """Build the site into a folder, and tell how many languages failed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(ENTRY, encoding="utf-8")
    return sum(_build(folder, language) != 0 for language in languages)


def _build(folder: Path, language: str) -> int:
    options = ("-q", "-W", "--keep-going", "-c", str(HERE), "-D", f"language={language}")
    return run_sphinx([*options, "-d", str(folder / f".doctrees-{language}"), str(ROOT), str(folder / language)])


def describe_sizes(folder: Path) -> str:
    """Say what the heaviest pages and the search index weigh, and the middle page, in KB, without shared files."""
    pages = sorted(((page.stat().st_size, page) for page in folder.rglob("*.html")), reverse=True)
    index = [f"{path.relative_to(folder)} {path.stat().st_size // 1024} KB" for path in folder.rglob("searchindex.js")]
    heaviest = [f"{page.relative_to(folder)} {size // 1024} KB" for size, page in pages[:5]]
    middle = pages[len(pages) // 2][0] // 1024
    return f"{len(pages)} pages, the middle one {middle} KB; heaviest: {', '.join(heaviest)}; {', '.join(index)}"


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "docs"
    failed = build(target)
    print(describe_sizes(target))
    sys.exit(1 if failed else 0)
