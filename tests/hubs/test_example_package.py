"""The example of a dialect that another package brings (``examples/edoc-soap``)."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from edoc_connector import edxml, errors, hubs

EXAMPLE = Path(__file__).parents[2] / "examples" / "edoc-soap"
MODULE = EXAMPLE / "src" / "edoc_soap.py"
PUBLIC = {"edoc_connector.hubs": hubs.__all__, "edoc_connector.edxml": edxml.__all__, "edoc_connector.errors": None}
"""The doors that a dialect may come through; of the errors, all are public."""


def _install(folder: Path) -> None:
    """Leave what an installation leaves: the module, and the metadata with the entry point of its pyproject.toml."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    info = folder / f"edoc_soap-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n", encoding="utf-8"
    )
    groups = project["entry-points"].items()
    lines = [line for group, names in groups for line in (f"[{group}]", *(f"{n} = {v}" for n, v in names.items()))]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    (folder / "edoc_soap.py").write_bytes(MODULE.read_bytes())


def test_its_own_tests_pass(tmp_path: Path) -> None:
    """A third party's dialect is one file and an entry point: its package's tests pass, the public contract's too."""
    _install(tmp_path)
    tests = EXAMPLE / "tests"
    paths = [str(tmp_path), str(tests), *sys.path]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(tests)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    found = subprocess.run(
        command, cwd=EXAMPLE, env=environment, capture_output=True, text=True, timeout=540, check=False
    )
    assert found.returncode == 0, found.stdout[-8000:] + found.stderr[-2000:]


def test_it_imports_public_names_only() -> None:
    """The module comes through doors: each name that it imports of this library is in their ``__all__``."""
    nodes = ast.walk(ast.parse(MODULE.read_text(encoding="utf-8")))
    imports = [
        one for one in nodes if isinstance(one, ast.ImportFrom) and (one.module or "").startswith("edoc_connector")
    ]
    assert imports
    for one in imports:
        names, offered = {name.name for name in one.names}, PUBLIC[one.module or ""]
        assert names <= set(vars(errors) if offered is None else offered)
