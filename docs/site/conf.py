"""How the site is built (Sphinx); `nox -s docs` builds it in both languages.

The pages are those that a forge shows: the root of the sources is the repository's, so that links lead to the same
files.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from edoc_connector import __version__

project = "edoc_connector"
release = version = __version__
project_copyright = "edoc_connector"
root_doc = "docs/index"
language = "en"  # the other build says -D language=vi

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "bilingual", "reference", "plain_search"]
include_patterns = ["*.md", "docs/**", "examples/*/README.md"]
exclude_patterns = ["**.vi.md", "docs/site", "docs/vectors"]
templates_path = ["templates"]

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["myst.header"]  # a page may start its headings where it stands on a forge

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # signatures have the names of private modules; the text says what is meant
autodoc_class_signature = "separated"
napoleon_google_docstring = True
napoleon_use_ivar = True

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_title = f"edoc_connector {release}"
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/languages.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
