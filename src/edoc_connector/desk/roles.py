"""Who may do what: the roles of people at the desk, as one table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from .._core import Labelled, Text, label_members


@label_members(
    {
        "clerk": Text("clerk", "văn thư"),
        "leader": Text("leader", "lãnh đạo"),
        "officer": Text("officer", "chuyên viên"),
        "administrator": Text("administrator", "quản trị"),
    }
)
class Role(Labelled, StrEnum):
    """A role. Everybody at the desk may read; what else, `PERMISSIONS` says."""

    CLERK = "clerk"
    LEADER = "leader"
    OFFICER = "officer"
    ADMINISTRATOR = "administrator"


class Act(StrEnum):
    """What may be done at the desk."""

    SEND = "send"
    SIGN = "sign"
    ACCEPT = "accept"
    REJECT = "reject"
    ASSIGN = "assign"
    PROGRESS = "progress"
    RECALL = "recall"
    ANSWER = "answer"
    SETTLE = "settle"
    RECHECK = "recheck"
    MANAGE_PEOPLE = "manage_people"


PERMISSIONS: Final[Mapping[Role, frozenset[Act]]] = {
    Role.CLERK: frozenset({
        Act.SEND, Act.SIGN, Act.ACCEPT, Act.REJECT, Act.ASSIGN, Act.PROGRESS, Act.RECALL, Act.RECHECK,
    }),
    Role.LEADER: frozenset({Act.REJECT, Act.ASSIGN, Act.RECALL, Act.ANSWER}),
    Role.OFFICER: frozenset({Act.PROGRESS}),
    Role.ADMINISTRATOR: frozenset({Act.SETTLE, Act.RECHECK, Act.MANAGE_PEOPLE}),
}  # fmt: skip
"""What each role may do. To send is to sign with the agency's key: it takes both. Nobody changes trust at the desk."""
