"""What is run on the code. `nox -l` lists it, `nox` runs what a change must pass, `nox -s NAME` one part.

Most parts run in the environment that nox itself stands in (``pip install -e '.[dev]'``) and fetch nothing; `lowest`,
`newest` and `quick` make environments of their own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "types", "layers", "tests"]
nox.options.default_venv_backend = "none"
nox.options.download_python = "never"

CLAIMED = nox.project.python_versions(nox.project.load_toml("pyproject.toml"))
"""The versions of Python that the classifiers name."""

COVERED = ("_core", "edxml", "signing", "hubs", "client", "store")
"""Packages of which tests reach 95 % of the branches."""
COVERING = (
    *(f"tests/{name}" for name in (*COVERED, "evidence", "folder")),
    *(f"tests/connector/{name}" for name in ("agencies", "checks", "operations", "registers")),
    *(f"tests/connector/test_{name}.py" for name in ("lists", "telemetry", "wrong_clock")),
    *("tests/cli/operations/test_import_documents.py", "tests/worker/test_procrastinate.py"),
)
"""The tests that reach them. Watching costs half as much again as the tests, so no others are watched."""

FUZZED = ("tests/edxml/test_hostile.py", "tests/edxml/test_round_trip.py")
CHAOS = (("500", "sqlite", "own"), ("500", "postgresql", "own"), ("300", "postgresql", "procrastinate"))
REBUILT = ("tests/edxml/test_sealed_rebuilds.py", "-k", "random")

# Other versions of what we stand on show where we meet them: in imports, clients, settings, tables, and a whole flow.
# These few minutes are for every run; more folders may be named behind `--`.
QUICK = (
    *("-m", "not hypothesis and not nightly"),
    *(f"tests/{name}" for name in ("test_imports.py", "test_lower_bounds.py", "_core", "client", "config", "hubs")),
    *(f"tests/{name}" for name in ("edxml/message", "edxml/writer", "store/test_migrate.py", "connector/test_flow.py")),
)


INSTALLED = ("tests/connector/test_flow.py", "tests/cli/operations/test_doctor.py")
"""Tests that an installed wheel passes with no repository at hand."""

SHIPPED = ("fastapi", "minutes", "mockhub", "otel", "pdf", "pkcs11", "postgres", "procrastinate", "web", "worker")
"""Extras that an office installs; Django is its own choice."""


def _tool(name: str) -> str:
    """A program beside the Python that runs nox, whether or not its folder is searched."""
    return str(Path(sys.executable).with_name(name))


def _pytest(session: nox.Session, *arguments: str, **environment: str) -> None:
    """Run pytest in the session's environment on all processors."""
    python = "python" if session.virtualenv.venv_backend != "none" else sys.executable
    session.run(python, "-m", "pytest", "-q", "-n", "auto", *arguments, *session.posargs, env=environment)


@nox.session
def lint(session: nox.Session) -> None:
    """Find mistakes and other layouts of the text (ruff)."""
    session.run(_tool("ruff"), "check", ".")
    session.run(_tool("ruff"), "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the library and of its tests (mypy, strict)."""
    session.run(_tool("mypy"))


@nox.session
def layers(session: nox.Session) -> None:
    """Hold the layers and the doors of packages (import-linter)."""
    session.run(_tool("lint-imports"))


@nox.session
def tests(session: nox.Session) -> None:
    """Run the whole suite; what follows `--` goes to pytest."""
    _pytest(session)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the tests that reach these packages, and hold the coverage of their branches."""
    _pytest(session, "--cov", "--cov-report=", *COVERING)
    for package in COVERED:
        files = f"src/edoc_connector/{package}/*"
        session.run(_tool("coverage"), "report", "--fail-under=95", f"--include={files}", "--format=total")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Try the packet layer on 10,000 examples of anything at all, and read as many packets of each kind back.

    Then send 200 sealed packets of each kind through a hub that rebuilds packets: one of them costs as much as fifty of
    the others.
    """
    examples = os.environ.get("EDOC_FUZZ_EXAMPLES", "10000")
    _pytest(session, *FUZZED, "-k", "any_ or read_back or order_does", EDOC_FUZZ_EXAMPLES=examples)
    _pytest(session, *REBUILT, EDOC_FUZZ_EXAMPLES="200")


@nox.session(venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """Run the quick tests with the lowest version of each dependency, and hold what is declared to what is there."""
    session.install("--resolution", "lowest-direct", "--editable", ".[test]")
    _pytest(session, *QUICK, EDOC_TEST_LOWEST="1")


@nox.session(venv_backend="uv")
def newest(session: nox.Session) -> None:
    """Run the quick tests with the newest version of each dependency, those before a release among them."""
    session.install("--upgrade", "--prerelease", "allow", "--editable", ".[test]")
    _pytest(session, *QUICK)


@nox.session(venv_backend="uv", python=CLAIMED)
def quick(session: nox.Session) -> None:
    """Run the quick tests on one Python."""
    session.install("--editable", ".[test]")
    _pytest(session, *QUICK)


@nox.session(venv_backend="uv")
def example(session: nox.Session) -> None:
    """Install the example of a dialect as a package of its own, and run its tests."""
    session.install("--editable", ".[mockhub]", "./examples/edoc-soap[test]")
    session.chdir("examples/edoc-soap")
    session.run("python", "-m", "pytest", "-q", *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session(venv_backend="uv")
def tryton(session: nox.Session) -> None:
    """Make a database of Tryton on SQLite, and let the example bring documents into it, killed now and then."""
    session.install(".[mockhub]", "pytest", "trytond~=8.2.0", "trytond-document-incoming~=8.2.0")
    session.chdir("examples/tryton")
    session.run("python", "-m", "pytest", "-q", *session.posargs)


@nox.session
def pythons(session: nox.Session) -> None:
    """Run `quick` on the newest other Python that the classifiers name and that is here; with `-- all` on each."""
    others = [version for version in CLAIMED if version != f"{sys.version_info.major}.{sys.version_info.minor}"]
    here = [version for version in others if _answers(f"python{version}")]
    chosen = here if "all" in session.posargs else here[-1:]
    for version in chosen:
        session.notify(f"quick-{version}", ())
    session.log(f"Python not run: {', '.join(one for one in others if one not in chosen) or 'none'}")


def _answers(program: str) -> bool:
    """Whether a program is there and runs: pyenv puts one of each name on the path, and some only complain."""
    return shutil.which(program) is not None and subprocess.run([program, "-V"], capture_output=True).returncode == 0


@nox.session
def docs(session: nox.Session) -> None:
    """Make the generated parts of pages and the schema anew, then build the site in both languages (build/docs)."""
    session.run(sys.executable, "docs/generate.py")
    session.run(sys.executable, "docs/generate_xsd.py")
    session.run(sys.executable, "docs/site/translations.py")
    session.run(sys.executable, "docs/site/build.py", *session.posargs)


@nox.session(venv_backend="uv")
def locked(session: nox.Session) -> None:
    """Run the quick tests with the versions of uv.lock, which must fit what is declared."""
    session.run("uv", "lock", "--check", external=True)
    _sync(session, Path(session.virtualenv.location), "test")
    _pytest(session, *QUICK)


def _sync(session: nox.Session, place: Path, *extras: str) -> None:
    """Make an environment of the locked versions: the library, not editable, and extras."""
    wanted = (argument for extra in extras for argument in ("--extra", extra))
    session.run(
        *("uv", "sync", "--locked", "--no-editable", "--no-default-groups", *wanted),
        env={"UV_PROJECT_ENVIRONMENT": str(place)},
        external=True,
    )


def _make_shipped(session: nox.Session) -> Path:
    """Make an environment of what an office installs, apart from the tools that look at it; return its Python."""
    session.install("--group", "release")
    place = Path(session.create_tmp()).resolve() / "shipped"
    _sync(session, place, *SHIPPED)
    return place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


@nox.session(venv_backend="uv")
def build(session: nox.Session) -> None:
    """Build sdist and wheel into dist/, install the wheel where no repository is, and use it there.

    The demo and the tests of an example of a document-management system, with the least that they need; then, of this
    project's tests, a document's round on each dialect and `edoc doctor`.
    """
    shutil.rmtree("dist", ignore_errors=True)
    session.run("uv", "build", "--out-dir", "dist", external=True)
    (wheel,) = Path("dist").resolve().glob("*.whl")
    session.install(f"{wheel}[mockhub]", "pytest")
    away = Path(session.create_tmp()).resolve() / "away"
    shutil.rmtree(away, ignore_errors=True)
    shutil.copytree("examples/dms_project", away)
    session.chdir(away)
    session.run("edoc", "demo", "--folder", "demo")
    session.run("python", "-m", "pytest", "-q")
    root = Path(__file__).parent
    shutil.copytree(root / "tests", away / "round" / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", away / "round")  # pytest's settings
    session.install(f"{wheel}[test]")
    session.chdir(away / "round")
    session.run("python", "-m", "pytest", "-q", *INSTALLED)


@nox.session(venv_backend="uv")
def sbom(session: nox.Session) -> None:
    """Write dist/sbom.cdx.json: every library that an office installs, with version and licence (CycloneDX)."""
    python = _make_shipped(session)
    Path("dist").mkdir(exist_ok=True)
    options = ("--pyproject", "pyproject.toml", "--of", "JSON", "--output-reproducible", "-o", "dist/sbom.cdx.json")
    session.run("cyclonedx-py", "environment", str(python), *options)


@nox.session(venv_backend="uv")
def licences(session: nox.Session) -> None:
    """Hold every library that an office installs to the licences in pyproject.toml."""
    python = _make_shipped(session)
    session.run("pip-licenses", f"--python={python}", "--from=mixed", "--order=license")


@nox.session(venv_backend="uv")
def audit(session: nox.Session) -> None:
    """Ask whether a locked version has a known vulnerability; `-- -s osv` asks OSV instead of the package index.

    What the service does not know, or cannot be asked, fails: nobody would notice otherwise.
    """
    session.install("--group", "release")
    versions = Path(session.create_tmp()).resolve() / "versions.txt"
    extras = (argument for extra in SHIPPED for argument in ("--extra", extra))
    options = ("--locked", "--no-default-groups", "--no-emit-project", "--no-hashes", "-o", str(versions))
    session.run("uv", "export", "-q", *extras, *options, external=True)
    session.run("pip-audit", "-r", str(versions), "--no-deps", "--disable-pip", "--strict", *session.posargs)


@nox.session(venv_backend="uv")
def api(session: nox.Session) -> None:
    """Name what breaks callers since the last release, or since the commit behind `--` (griffe)."""
    session.install("--group", "release")
    session.run("python", ".ci/api_breaks.py", *session.posargs)


@nox.session
def promises(session: nox.Session) -> None:
    """Run what shows the promises, and note figures and dates (.ci/promises.py says how)."""
    session.run(sys.executable, ".ci/promises.py", *session.posargs)


@nox.session
def changelog(session: nox.Session) -> None:
    """Show what the next section of CHANGELOG.md would say."""
    session.run(_tool("towncrier"), "build", "--draft", "--version", "(next)")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure; `nox -s bench -- --quick` for a first look, `--docs` to write docs/performance.md (extra `bench`)."""
    session.run(sys.executable, "-m", "benchmarks", *session.posargs)


@nox.session
def year(session: nox.Session) -> None:
    """Live through a province's year: 40 agencies, 30,000 codes; what follows `--` goes to the script."""
    asked = session.posargs or ["--agencies", "40", "--codes", "30000", "--documents", "2000"]
    session.run(sys.executable, "tests/simulation/province_year.py", *asked)


@nox.session
def nightly(session: nox.Session) -> None:
    """Run what takes an hour: twenty times as many examples, others each time, and the long form of the chaos test.

    Then the whole suite with the lowest version of each dependency, of which every run takes a few minutes only.
    """
    random = {"EDOC_HYPOTHESIS_PROFILE": "nightly"}
    _pytest(
        session,
        *("-m", ""),
        EDOC_MUTATIONS="1000",
        EDOC_TEST_WAITING="10000",
        EDOC_TEST_CHAIN="10000",
        EDOC_TEST_GATEWAY="1",
        **random,
    )
    _pytest(session, *FUZZED, "-k", "any_ or read_back or order_does", EDOC_FUZZ_EXAMPLES="200000", **random)
    _pytest(session, *REBUILT, EDOC_FUZZ_EXAMPLES="2000", **random)
    for documents, store, engine in CHAOS:
        chaos = ("tests/chaos/chaos.py", "--documents", documents, "--store", store, "--engine", engine)
        session.run(sys.executable, *chaos)
        session.run(sys.executable, "tests/chaos/backup_run.py", "--documents", "500", "--store", store)
    session.notify("lowest", ["tests"])
    session.notify("pythons", ["all"])
