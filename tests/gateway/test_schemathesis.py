"""The gateway under whatever its description lets through, and what it does not: no error of ours, no other answers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.gateway.conftest import Running

# Requests speak for the agency that the key is for: for others there is one answer, which other tests look at. The
# standard's rules for documents reach further than a schema can say, so what fits the schema may be refused (422).
SETTINGS = """\
[parameters]
agency = "H29.05"

[checks]
positive_data_acceptance.enabled = false
"""
FIXED = ("--generation-deterministic", "--suppress-health-check=all", "--workers=1")
USUAL = ("--phases=fuzzing,stateful", "--max-examples=5")
WHOLE = ("--phases=coverage,fuzzing,stateful", "--max-examples=50")  # minutes: for the nightly run
AMOUNT = WHOLE if os.environ.get("EDOC_TEST_GATEWAY") else USUAL


def test_every_answer_is_one_that_is_described(gateway: Running, tmp_path: Path) -> None:
    """A fixed number of calls, alone and one after the other (stateful): never 5xx, and only what is described."""
    gateway.receive(gateway.letter())
    assert gateway.client.post(gateway.base + "/documents", json=gateway.compose()).status_code == 201
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    program = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"]
    options = ["--config-file", "schemathesis.toml", "run", gateway.url + "/openapi.json", *AMOUNT, *FIXED]
    key = ["--header", f"Authorization: Bearer {gateway.token}"]
    result = subprocess.run(
        [*program, *options, *key], cwd=tmp_path, capture_output=True, text=True, timeout=3600, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
