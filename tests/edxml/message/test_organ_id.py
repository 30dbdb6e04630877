"""OrganId, and the directory that pairs codes ("OrganId")."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from edoc_connector.edxml import CodeSystem, Directory, OrganId, Organization


@pytest.mark.parametrize(
    ("text", "value", "system", "groups"),
    [
        ("000.00.00.H29", "000.00.00.H29", CodeSystem.QCVN_102, ("H29", "00", "00", "000")),
        (" 002.00.20.h13\n", "002.00.20.H13", CodeSystem.QCVN_102, ("H13", "20", "00", "002")),
        ("001.00.20.JB2", "001.00.20.JB2", CodeSystem.QCVN_102, ("JB2", "20", "00", "001")),
        ("H29", "H29", CodeSystem.QD_20, ("H29",)),
        ("h29.05.01", "H29.05.01", CodeSystem.QD_20, ("H29", "05", "01")),
        ("vxp.saas.03", "vxp.saas.03", CodeSystem.OTHER, ("vxp", "saas", "03")),
        ("01.02.G22", "01.02.G22", CodeSystem.OTHER, ("01", "02", "G22")),
        ("", "", CodeSystem.OTHER, ("",)),
    ],
)
def test_organ_ids(text: str, value: str, system: CodeSystem, groups: tuple[str, ...]) -> None:
    """Both code systems are known by shape, case does not matter in them, and other codes are kept as they are."""
    code = OrganId.parse(text)
    assert (code.value, code.system, code.groups, str(code)) == (value, system, groups, value)
    assert Organization(id=text, name="x").organ_id == code


@dataclass(frozen=True)
class _Agency:
    code: str
    other_code: str | None = None
    active: bool = True


_DIRECTORY = Directory(
    [
        _Agency("H29.05", "000.05.00.H29"),
        _Agency("G22", "000.00.00.G22"),
        _Agency("vxp.saas.03"),
        _Agency("H30", " "),
        _Agency("H31", "000.00.00.H31", active=False),
        _Agency("H32", "000.00.00.H32"),
        _Agency("H33", "000.00.00.H32"),
    ]
)


@pytest.mark.parametrize(
    ("code", "system", "expected"),
    [
        ("H29.05", CodeSystem.QCVN_102, "000.05.00.H29"),
        (" h29.05", CodeSystem.QCVN_102, "000.05.00.H29"),
        ("000.05.00.h29", CodeSystem.QD_20, "H29.05"),
        ("G22", CodeSystem.QD_20, "G22"),
        ("H30", CodeSystem.QCVN_102, None),  # the directory does not say
        ("H99", CodeSystem.QCVN_102, None),
        ("000.00.00.H29", CodeSystem.QD_20, None),  # and nothing is computed
        ("H31", CodeSystem.QCVN_102, None),  # no longer active
        ("000.00.00.H32", CodeSystem.QD_20, None),  # listed with two
        ("vxp.saas.03", CodeSystem.QD_20, None),
    ],
)
def test_only_the_directory_maps_codes(code: str, system: CodeSystem, expected: str | None) -> None:
    """ "Only the hub's directory maps one form to the other; do not compute the mapping"."""
    found = _DIRECTORY.convert(code, system)
    assert (str(found) if found else None) == expected
    assert _DIRECTORY.convert(OrganId.parse(code), system) == found


def test_codes_of_one_agency() -> None:
    """Two codes are the same agency's where the directory pairs them, or where they are equal."""
    assert _DIRECTORY.same("h29.05", "000.05.00.H29")
    assert _DIRECTORY.same("H99", " h99")
    assert not _DIRECTORY.same("H29.05", "000.00.00.G22")
    assert "000.05.00.H29" in _DIRECTORY
    assert "H99" not in _DIRECTORY
    assert {str(code) for code in _DIRECTORY.codes("G22")} == {"G22", "000.00.00.G22"}


def test_no_hubs_directory_makes_two_agencies_one() -> None:
    """Two codes of one system are two agencies, and a code of two is nobody's other one ("the other system")."""
    alone = Directory([_Agency("H30", "G22"), _Agency("vxp.a", "vxp.b")])
    assert {str(code): alone.codes(code) for code in ("G22", "H30", "vxp.a")} == {
        code: frozenset({OrganId.parse(code)}) for code in ("G22", "H30", "vxp.a")
    }
    for code in ("H32", "H33", "000.00.00.H32"):
        assert _DIRECTORY.codes(code) == {OrganId.parse(code)}
