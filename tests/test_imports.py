"""What is loaded when (design, "imports"): start-up is held by the modules that are there, not by a clock."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "alembic", "asyncio", "cryptography", "httpcore", "httpx", "lxml", "psycopg", "pydantic", "pyhanko", "sqlalchemy",
    "sqlite3", "starlette", "uvicorn", "xmlsec",
)  # fmt: skip
CONSOLE = ("rich", "typer")


def loaded(code: str, *names: str) -> set[str]:
    """Those of the modules that are there after the code ran in a new process."""
    tail = f"\nimport sys\nprint(*({set(names)!r} & set(sys.modules)), file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True)
    return set(result.stderr.split())


@pytest.mark.parametrize(
    ("use", "allowed"),
    [
        ("edoc_connector", set()),
        ("edoc_connector.NotSent", set()),
        ("edoc_connector.Vxp", set()),
        ("edoc_connector.testing", set()),
        ("edoc_connector.HubClient", {"httpcore", "httpx", "rich"}),  # httpx loads rich where it is installed
        ("edoc_connector.Document", {"lxml", "pydantic"}),
        ("edoc_connector.Attachment", {"lxml", "pydantic"}),
        ("edoc_connector.load_signer", {"lxml", "pydantic", "cryptography"}),
        (
            "edoc_connector.Connector",
            {"asyncio", "cryptography", "httpcore", "httpx", "lxml", "pydantic", "rich", "sqlalchemy"},
        ),
    ],
)
def test_a_name_loads_what_it_needs(use: str, allowed: set[str]) -> None:
    """Importing the package loads nothing heavy, and the first use of a name loads only what that name is made of."""
    assert loaded(f"import edoc_connector\n{use}", *HEAVY, *CONSOLE) <= allowed


def test_the_client_reads_no_packets() -> None:
    """The foundations, the dialects and the client load no XML parser and no models."""
    code = "import edoc_connector._core, edoc_connector.client, edoc_connector.hubs"
    assert loaded(code, *HEAVY) <= {"asyncio", "httpcore", "httpx"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["send", "--help"], ["mockhub", "--help"]])
def test_help_is_cheap(arguments: list[str]) -> None:
    """`edoc --help`, and that of a command, loads the console and nothing that a command works with."""
    code = (
        f"import sys\nsys.argv = ['edoc', *{arguments!r}]\nfrom edoc_connector.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 0"
    )
    # typer itself looks whether a parameter is a model of pydantic, once there are parameters
    assert loaded(code, *HEAVY, "rich.progress") <= {"pydantic"}
