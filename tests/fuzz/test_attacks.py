"""Each attack on an XML reader is refused or read in full, soon and in little memory."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for their own module
    spec.loader.exec_module(module)
    return module


_ATTACKS = _module("attacks")
_GROWTH = _module("growth")
MOST_GROWTH = 2.6
_OUTCOMES = {
    "99,000 unknown elements": "read: 'H29.05' of 6, 10001 findings",
    "text of 15 MiB in OrganId": "read: 'xxxxxxxxxxxxxxxxxxxx' of 15728640",
    "base64 of 64 MiB": "read: 'H29.05' of 6",
    "UTF-16": "read: 'H29.05' of 6",
    "comment inside OrganId": "read: 'H29.05' of 6",
    "instruction inside OrganId": "read: 'H29.05' of 6",
    "CDATA inside OrganId": "read: 'H29.05' of 6",
    "duplicate ContentId": "read: 'H29.05' of 6",
    "10,000 attachments of one ContentId": "read: 'H29.05' of 6",
    "99,000 comments": "read: 'H29.05' of 6",
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


@pytest.mark.parametrize("name", _GROWTH.list_all())
def test_twice_the_input_is_twice_the_work(name: str) -> None:
    """Input made to be much work takes time that grows with its length ("Work is bounded before it is done").

    Others use the processor too, which only adds: the least of ever more measurements counts. A quadratic step's is 4.
    """
    growing = _GROWTH.list_all()[name]
    for repeats in (1, 3, 9):
        factor = _GROWTH.measure(growing, repeats).factor
        if factor < MOST_GROWTH:
            return
    pytest.fail(f"twice the input is {factor:.1f} times the work")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")
def test_the_table_measures_time_and_memory() -> None:
    """A row of the table has the seconds and the bytes of the work alone ("Time and memory of the attacks")."""
    measured = _GROWTH.measure_apart("alternating marks, normalised", 2)
    assert 0 < measured.seconds < 5
    assert 0 < measured.size < 100_000_000


def test_the_fuzz_target_takes_its_seeds() -> None:
    """The target runs over its seeds, which are packets, zips and what fuzzing found, without complaint."""
    target = _module("fuzz_read")
    seeds = sorted(target.SEEDS.iterdir())
    assert len(seeds) >= 9
    for seed in seeds:
        target.one_input(seed.read_bytes())
