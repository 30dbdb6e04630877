"""Packs that were made once are checked for ever, and heads by others than the agency are told from its own."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from edoc_connector.connector import check_pack
from edoc_connector.errors import ConfigError
from edoc_connector.signing import read_certificates
from edoc_connector.testing.keys import authority

PACKS = Path(__file__).parents[2] / "data" / "packs"
ROOTS = read_certificates((PACKS / "roots.pem").read_bytes())


@pytest.mark.parametrize(
    ("name", "agency", "entries", "head"),
    [
        ("form-1-sent.zip", "H29.05", 27, "27c4dce502b8d241ee6b73e8935cb35323cd8a1eb2ccf9b342405884d880c854"),
        ("form-1-received.zip", "G22", 23, "63cd500127da731d19cdb00e6e30fe7a938fdfe9295ffa210fc80fe8146197bd"),
    ],
)
def test_packs_of_the_first_form_verify_for_ever(name: str, agency: str, entries: int, head: str) -> None:
    """Packs that the version before made hold: chain, packets, signatures, head and signer (issue, "6.")."""
    checked = check_pack(PACKS / name, anchors=ROOTS)
    assert (checked.problems, checked.missing, checked.form) == ((), (), 1)
    assert (checked.agency, checked.entries, checked.head) == (agency, entries, head)
    assert (checked.trusted, checked.is_agency) == (True, True)
    assert [status for _, status in checked.packets] == ["VALID"] * 3


def test_a_pack_of_the_second_form_verifies_for_ever() -> None:
    """A pack that the first version of the second form made holds (issue, "6.")."""
    checked = check_pack(PACKS / "form-2.zip", anchors=ROOTS)
    assert (checked.problems, checked.form, checked.entries, checked.size) == ((), 2, 2, 43)
    assert (checked.trusted, checked.is_agency) == (True, True)


@pytest.mark.parametrize("name", ["form-1-sent.zip", "form-2.zip"])
def test_a_head_is_the_agencys_only_by_proof(name: str) -> None:
    """Listed certificates decide, and without authority or list nothing says whose head it is (issue, "foreign")."""
    listed = {"H29.05": ("tax:0400260612",)}
    assert check_pack(PACKS / name, anchors=ROOTS, organisations=listed).problems
    checked = check_pack(PACKS / name)
    assert (checked.problems, checked.trusted, checked.is_agency) == ((), None, False)
    assert check_pack(PACKS / name, anchors=authority("Another").certificates[-1:]).trusted is False


def test_an_old_pack_has_no_checkpoint_to_compare(tmp_path: Path) -> None:
    """Asked for, the comparison with kept checkpoints is not passed over in silence."""
    (problem,) = check_pack(PACKS / "form-1-sent.zip", anchors=ROOTS, checkpoints=tmp_path).problems
    assert "first form" in problem.text


def test_an_entry_of_no_known_form(tmp_path: Path) -> None:
    """What the user himself gives wrong is an error, not a problem of the pack."""
    with pytest.raises(ConfigError, match="names no certificate"):
        check_pack(PACKS / "form-2.zip", organisations={"H29.05": ("nonsense:1",)})


def test_a_pack_of_a_form_to_come(tmp_path: Path) -> None:
    """A form that this version does not know is said, and not guessed at."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("manifest.json", json.dumps({"format": "edoc-evidence/3"}))
    (problem,) = check_pack(tmp_path / "x.zip").problems
    assert "neither" in problem.text
