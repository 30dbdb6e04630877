"""Each attack on an XML reader is refused or read in full, soon and in little memory."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_ATTACKS = _module("attacks")
_OUTCOMES = {
    "99,000 unknown elements": "read: 'H29.05' of 6, 10001 findings",
    "text of 15 MiB in OrganId": "read: 'xxxxxxxxxxxxxxxxxxxx' of 15728640",
    "base64 of 64 MiB": "read: 'H29.05' of 6",
    "comment inside OrganId": "read: 'H29.05' of 6",
    "instruction inside OrganId": "read: 'H29.05' of 6",
    "CDATA inside OrganId": "read: 'H29.05' of 6",
    "duplicate ContentId": "read: 'H29.05' of 6",
    "10,000 attachments of one ContentId": "read: 'H29.05' of 6",
}
"""What is read in full; every other attack is refused."""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")
@pytest.mark.parametrize("name", _ATTACKS.ATTACKS)
def test_each_attack(name: str, tmp_path: Path) -> None:
    """Within 100 MB, and five times the second that is the goal, for a busy machine ("XML attacks")."""
    measured = _ATTACKS.measure(name, tmp_path)
    assert measured["outcome"].startswith(_OUTCOMES.get(name, "EDX-"))
    assert measured["bytes"] < 100_000_000
    assert measured["seconds"] < 5


def test_the_fuzz_target_takes_its_seeds() -> None:
    """The target runs over its seeds, which are packets, zips and what fuzzing found, without complaint."""
    target = _module("fuzz_read")
    seeds = sorted(target.SEEDS.iterdir())
    assert len(seeds) >= 9
    for seed in seeds:
        target.one_input(seed.read_bytes())
