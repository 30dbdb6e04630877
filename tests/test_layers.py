"""The drawing of the packages in docs/design.md is what the code does, and what import-linter holds it to."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "edoc_connector"
LINE = re.compile(r"^(?P<name>[\w]+)\s+←\s+(?P<imports>[\w ]*?)(?:\s{2,}.*)?$", re.MULTILINE)


def _read_drawing() -> dict[str, set[str]]:
    """What each package imports by the drawing, from the top layer down."""
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    drawing = page.partition("<!-- packages -->\n```\n")[2].partition("```")[0]
    return {line["name"]: set(line["imports"].split()) for line in LINE.finditer(drawing)}


def _find_imports(package: str) -> Iterator[str]:
    """The packages that a package's modules import, also those they import when used or for types only."""
    folder = PACKAGE / package
    for path in sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]:
        parents = list(path.relative_to(PACKAGE.parent).parts[:-1])
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom):
                continue
            base = parents[: len(parents) - node.level + 1] if node.level else []
            target = [*base, *(node.module or "").split(".")] if node.module else base
            if target[0] == "edoc_connector":
                names = target[1:2] or [alias.name for alias in node.names]
                yield from (name for name in names if not name.startswith("_version"))


def test_the_drawing_shows_the_real_imports() -> None:
    """Each package of docs/design.md imports exactly what stands behind it there."""
    drawn = _read_drawing()
    names = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert set(drawn) == names - {"__init__", "__main__", "_version"}
    assert {name: set(_find_imports(name)) - {name} for name in drawn} == drawn


def test_the_drawing_has_the_layers_of_the_linter() -> None:
    """The packages stand in the order of import-linter's layers, and none imports one above it."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = next(one["layers"] for one in contract["contracts"] if one["type"] == "layers")
    order = [name.strip().rpartition(".")[2] for layer in layers for name in layer.split("|")]
    drawn = _read_drawing()
    assert [name for name in drawn if name in order] == order
    for number, name in enumerate(order):
        assert drawn[name] & set(order) <= set(order[number + 1 :]), name
