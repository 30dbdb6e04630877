"""The pytest plugin (Design, "Layers": testing)."""

from __future__ import annotations

import subprocess
import sys

import httpx

from edoc_connector.testing.hub import RunningHub


def test_the_fixture_is_a_running_hub(mock_hub: RunningHub) -> None:
    """Design, "mock hub": the pytest fixture `mock_hub` runs it inside a test."""
    assert httpx.get(mock_hub.url, trust_env=False).status_code == 200


def test_the_plugin_itself_is_light() -> None:
    """Design, "Layers": it is loaded in every pytest of a user's, so it may bring in no server, database or XML."""
    program = (
        "import sys, edoc_connector.testing.plugin;"
        "print([name for name in ('starlette', 'uvicorn', 'lxml', 'sqlite3') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
