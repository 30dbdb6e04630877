"""What is published: a source distribution that is whole, the wheel that comes of it, and the lock of dependencies."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "edoc_connector"
KINDS = ("LICENSE", ".LICENSE.md", ".bin", ".css", ".html", ".js", ".mako", ".svg", ".xsd", "py.typed")
HOSTS = {"pypi.org", "files.pythonhosted.org"}


def _build(tree: Path, kind: str, out: Path) -> Path:
    """Build with the backend of pyproject.toml, from a tree alone."""
    code = f"from hatchling.build import build_{kind} as build; print(build(r'{out}'))"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if "site-packages" in path)
    }
    completed = subprocess.run(
        [sys.executable, "-c", code], cwd=tree, env=environment, capture_output=True, text=True, timeout=300
    )
    assert completed.returncode == 0, completed.stderr
    return out / completed.stdout.split()[-1]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution of this checkout, unpacked where there is no repository."""
    out = tmp_path_factory.mktemp("sdist")
    with tarfile.open(_build(ROOT, "sdist", out)) as packed:
        packed.extractall(out, filter="data")
    (folder,) = (path for path in out.iterdir() if path.is_dir())
    return folder


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """The wheel that comes of the source distribution."""
    return ZipFile(_build(source, "wheel", tmp_path_factory.mktemp("wheel")))


@pytest.fixture(scope="module")
def metadata(wheel: ZipFile) -> Message:
    """What the wheel says of itself."""
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(wheel.read(name))


def test_the_wheel_has_the_package_and_nothing_else(wheel: ZipFile) -> None:
    """Each file of the package is in it, byte for byte: modules, types, templates, styles, migrations, schemas."""
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    expected = {f"edoc_connector/{path.relative_to(PACKAGE).as_posix()}": path.read_bytes() for path in files}
    found = {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}
    assert found == expected
    for kind in KINDS:
        assert any(name.endswith(kind) for name in found), kind


def test_the_wheel_brings_the_licences_of_all_that_is_in_it(metadata: Message) -> None:
    """Ours, and those of the two libraries for pages (PEP 639)."""
    assert metadata["License-Expression"] == "Apache-2.0 AND 0BSD AND MIT"
    names = [name.rpartition("/")[2] for name in metadata.get_all("License-File", [])]
    assert sorted(names) == ["LICENSE", "htmx.LICENSE", "pico.LICENSE.md"]


def test_the_wheel_needs_nothing_that_only_developers_need(metadata: Message) -> None:
    """Without extras nobody gets a server, a driver or a tool of tests and releases."""
    needed = {Requirement(text) for text in metadata.get_all("Requires-Dist", [])}
    plain = {one.name.lower() for one in needed if one.marker is None}
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert plain == {Requirement(text).name.lower() for text in declared["project"]["dependencies"]}
    tools = {Requirement(text).name for text in declared["dependency-groups"]["release"]}
    assert tools.isdisjoint({one.name for one in needed})


def test_the_source_is_whole_and_only_ours(source: Path) -> None:
    """Who packages it for a distribution has tests, pages, licence and changes, and nothing that lay about."""
    assert {"CHANGELOG.md", "CITATION.cff", "LICENSE", "README.md", "README.vi.md", "docs", "src", "tests"} <= {
        path.name for path in source.iterdir()
    }
    names = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()} - {"PKG-INFO"}
    assert {name for name in names if not (ROOT / name).is_file()} == set()
    parts = {part for name in names for part in name.split("/")}
    assert parts.isdisjoint({"shared", "__pycache__", ".venv", ".nox", "build", "dist", "edoc.db"})


def test_the_lock_names_the_public_index_alone() -> None:
    """It works on every machine: no mirror, folder or direct address is in it."""
    text = (ROOT / "uv.lock").read_text(encoding="utf-8")
    assert {urlsplit(address).hostname for address in re.findall(r"\w+://[^\"\s]+", text)} == HOSTS
    sources = [package["source"] for package in tomllib.loads(text)["package"]]
    assert [one for one in sources if one not in ({"registry": "https://pypi.org/simple"}, {"editable": "."})] == []


def test_the_lock_is_of_what_is_declared() -> None:
    """Each dependency of each extra and group, with its bounds; else run `uv lock`."""
    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    (own,) = (package for package in packages if package["name"] == "edoc-connector")
    locked = [*own["metadata"]["requires-dist"], *own["metadata"]["requires-dev"]["release"]]
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = declared["project"]
    texts = [*project["dependencies"], *declared["dependency-groups"]["release"]]
    texts += [text for extra in project["optional-dependencies"].values() for text in extra]
    assert {(one["name"], _specifier(one)) for one in locked if one["name"] != "edoc-connector"} == {
        (_normal(one.name), str(one.specifier)) for one in map(Requirement, texts) if one.name != "edoc-connector"
    }


def _specifier(locked: dict[str, str]) -> str:
    return str(Requirement(f"x{locked.get('specifier', '')}").specifier)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
