"""What every command takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))


@pytest.mark.parametrize("command", [["deliveries"], ["pdf", "verify"], ["db", "upgrade"], ["worker"]], ids="-".join)
def test_short_help_behind_a_command(command: list[str], edoc: Edoc) -> None:
    """`-h` is `--help`, of the program and of each command."""
    assert edoc(*command, "-h").out == edoc(*command, "--help").out
    assert "Usage" in edoc("-h").out


def test_verbose_behind_a_command(offices: dict[str, Path]) -> None:
    """`-v` is understood where people write it: behind the command, as before it."""

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "edoc_connector", *arguments, "-c", str(offices["G22"])]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr
        return ran.stderr

    assert "DEBUG" not in run("directory", "--sync")
    for arguments in (
        ["directory", "--sync", "-v"],
        ["-v", "directory", "--sync"],
        ["directory", "--verbose", "--sync"],
    ):
        assert "edoc_connector.client DEBUG" in run(*arguments)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_without_arguments_says_how_it_is_used(example: Path) -> None:
    """It prints its first lines and ends with 1, without a traceback."""
    ran = subprocess.run([sys.executable, str(example)], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1
    assert f"python {example.name}" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_nothing_is_looked_through_when_a_command_ends() -> None:
    """What was loaded is kept from the collector that runs at the end; what `atexit` calls is called before."""
    code = (
        "import atexit, gc, sys\n"
        "atexit.register(lambda: print('frozen:', gc.get_freeze_count() > 0))\n"
        "from edoc_connector.cli import main\n"
        "sys.argv = ['edoc', '--version']\n"
        "main()\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout.splitlines()[-1] == "frozen: True", ran.stderr
