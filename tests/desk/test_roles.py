"""Who may do what at the desk."""

from __future__ import annotations

from edoc_connector.desk import PERMISSIONS, Act, Role


def test_every_act_is_somebodys() -> None:
    """Each role has its acts, and no act is nobody's."""
    assert set(PERMISSIONS) == set(Role)
    assert set().union(*PERMISSIONS.values()) == set(Act)


def test_what_weighs_most_is_apart() -> None:
    """Who signs does not settle or manage people, and agreeing to a recall is a leader's alone."""
    assert [role for role in Role if Act.ANSWER in PERMISSIONS[role]] == [Role.LEADER]
    assert [role for role in Role if Act.SIGN in PERMISSIONS[role]] == [Role.CLERK]
    assert [role for role in Role if Act.MANAGE_PEOPLE in PERMISSIONS[role]] == [Role.ADMINISTRATOR]
    assert [role for role in Role if Act.SETTLE in PERMISSIONS[role]] == [Role.ADMINISTRATOR]
