"""Looking agencies up: our own list above the hub's directory, and lines of codes over reforms."""

from __future__ import annotations

from datetime import date

import pytest

from edoc_connector.store import DirectoryEntry, Store

AGENCY, HUB = "H29.05", "vxp http://hub"
A, B, C, D = ("H29.01", "H29.02", "H29.03", "H29.04")


def own(code: str, **facts: object) -> DirectoryEntry:
    """A line of our own list."""
    return DirectoryEntry(code=code, name="", **facts)  # type: ignore[arg-type]


@pytest.fixture
def filled(store: Store) -> Store:
    """A store whose hub lists four agencies."""
    entries = [DirectoryEntry(code=code, name=f"Sở {code}") for code in (A, B, C)]
    entries.append(DirectoryEntry(code=D, name="Sở D", other_code="000.00.04.H29"))
    with store.transaction() as tx:
        tx.directory.take_list(AGENCY, HUB, entries)
    return store


def test_heirs_over_several_reforms(filled: Store) -> None:
    """A became B, B became C: A's heir is C, and all three are one line (business rules, "codes die and merge")."""
    with filled.transaction() as tx:
        tx.directory.take_own_list(AGENCY, [own(A, successor=B), own(B, successor=C, valid_to=date(2026, 11, 1))])
        heir = tx.directory.find_heir(AGENCY, A)
        assert heir is not None
        assert heir.code == C
        assert tx.directory.list_line(AGENCY, [A]) == tx.directory.list_line(AGENCY, [C]) == {A, B, C}
        assert tx.directory.list_line(AGENCY, [D]) == {D}
        assert [row.code for row in tx.directory.list_predecessors(AGENCY, C)] == [B]
        assert tx.directory.find_heir("H30", A) is None  # our list is ours alone


def test_two_that_went_into_one_are_two(filled: Store) -> None:
    """The line of A has its heir and not the other code that went into that (edXML, "several are none")."""
    with filled.transaction() as tx:
        tx.directory.take_own_list(AGENCY, [own(A, successor=C), own(B, successor=C)])
        assert tx.directory.list_line(AGENCY, [A]) == {A, C}
        assert tx.directory.list_line(AGENCY, [C]) == {A, B, C}


def test_a_line_has_the_codes_of_the_other_system(filled: Store) -> None:
    """An ended agency's older dotted code belongs to the line (issue, "both code systems")."""
    with filled.transaction() as tx:
        tx.directory.take_own_list(AGENCY, [own(D, successor=C)])
        assert tx.directory.list_line(AGENCY, [C]) == {C, D, "000.00.04.H29"}


def test_a_code_that_was_split_has_no_one_heir(filled: Store) -> None:
    """All that came of it are listed, over several reforms, and mail of none of them is of its line."""
    with filled.transaction() as tx:
        tx.directory.take_own_list(AGENCY, [own(A, successor=f"{B} {C}"), own(B, successor=D)])
        assert tx.directory.find_heir(AGENCY, A) is None
        assert sorted(row.code for row in tx.directory.list_heirs(AGENCY, A)) == sorted([C, D])
        assert not {B, C, D} & tx.directory.list_line(AGENCY, [A])
        assert A not in tx.directory.list_line(AGENCY, [C])


def test_successors_in_a_circle_end_somewhere(filled: Store) -> None:
    """Two sources that lead into each other give no heir, and no endless walk (threats, "the service")."""
    with filled.transaction() as tx:
        tx.directory.take_own_list(AGENCY, [own(A, successor=B), own(B, successor=A)])
        assert tx.directory.find_heir(AGENCY, A) is None
        assert tx.directory.list_line(AGENCY, [A]) == {A, B}


def test_our_own_list_counts_before_the_hub(filled: Store) -> None:
    """It ends what the hub lists, revives what the hub ended, and leaves what it does not say (issue, "of its own")."""
    with filled.transaction() as tx:
        tx.directory.take_list(AGENCY, HUB, [DirectoryEntry(code=A, name="Sở A"), DirectoryEntry(code=B, name="Sở B")])
        tx.directory.take_own_list(
            AGENCY, [own(A, valid_to=date(2026, 1, 31)), own(C, valid_from=date(2020, 1, 1)), own(D), own("H99")]
        )
        found = tx.directory.load(AGENCY, [A, B, C, D, "H99"])
        ended = {code: row.has_ended(tx.directory.today) for code, row in found.items()}
        assert ended == {A: True, B: False, C: False, D: True, "H99": False}
        assert (found[A].name, found[D].name) == ("Sở A", "Sở D")
        assert tx.directory.list_by_code(AGENCY, A) == []
        assert {row.code for row in tx.directory.list_page(AGENCY)} == {A, B, C, D}


def test_a_code_ends_with_its_last_day(filled: Store) -> None:
    """On the last day it still is one, the day after not; an heir named ahead waits (business rules, "(from, to)")."""
    with filled.transaction() as tx:
        tx.directory.take_own_list(AGENCY, [own(A, valid_to=date(2026, 11, 20), successor=B)])
        (row,) = tx.directory.load(AGENCY, [A]).values()
        assert [row.has_ended(date(2026, 11, day)) for day in (20, 21)] == [False, True]
        assert tx.directory.list_line(AGENCY, [B]) == {B}


def test_a_list_taken_as_a_whole_forgets_the_rest(filled: Store) -> None:
    """Codes that are not named leave our list, and are again what the hub says (issue, "edoc agencies import")."""
    with filled.transaction() as tx:
        tx.directory.take_own_list(AGENCY, [own(A, successor=B), own(B)])
        tx.directory.take_own_list(AGENCY, [own(C, successor=B)], is_whole=True)
        assert [code for code in (A, C) if tx.directory.find_heir(AGENCY, code)] == [C]
        assert tx.directory.search(AGENCY, "h29 01", ended=True, limit=5) == []


def test_a_code_of_several_is_nobodys(store: Store) -> None:
    """A dotted code that two agencies have names neither; many codes are looked up at once (edXML, "OrganId")."""
    shared = "000.00.05.H29"
    entries = [DirectoryEntry(code=code, name=code, other_code=shared) for code in (A, B)]
    entries += [DirectoryEntry(code=f"H30.{number:02}", name="Sở") for number in range(40)]
    with store.transaction() as tx:
        tx.directory.take_list(AGENCY, HUB, entries)
        found = tx.directory.load(AGENCY, [shared, A, *(f"H30.{number:02}" for number in range(60))])
        assert set(found) == {A, *(f"H30.{number:02}" for number in range(40))}
