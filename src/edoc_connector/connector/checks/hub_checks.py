"""Checks of an agency that has several hubs, or had: which one sends, and what is left at one that is gone."""

from __future__ import annotations

from ..._core import Text
from ...store import HubRows
from .check import Check, CheckSeverity, Values
from .subject import Subject


def _find_forgotten(subject: Subject) -> Values | None:
    with subject.context.store.snapshot() as tx:
        names = HubRows(tx).list_forgotten(subject.agency, subject.context.by_hub)
    return {"hubs": ", ".join(names)} if names else None


def _find_no_sender(subject: Subject) -> Values | None:
    with subject.context.store.snapshot() as tx:
        sending = subject.context.choice.find_sending(tx)
    return None if sending is not None else {"hubs": ", ".join(subject.context.by_hub)}


def _find_other_roles(subject: Subject) -> Values | None:
    choice = subject.context.choice
    with subject.context.store.snapshot() as tx:
        roles = choice.read_roles(tx)
    others = [f"{name} {role}" for name, role in roles.items() if role is not choice.configured[name]]
    return {"roles": ", ".join(others)} if others else None


HUB_CHECKS = (
    Check(
        code="CHK-HUB-FORGOTTEN",
        severity=CheckSeverity.FAIL,
        title=Text("nothing is open at a hub that is gone", "không còn việc ở trục đã bỏ"),
        sentence=Text(
            "something is open at a hub that the settings do not name any more: {hubs}",
            "còn việc chưa xong ở trục mà cấu hình không còn nêu: {hubs}",
        ),
        cure=Text(
            'put its section [hubs.NAME] back with role = "drain", until edoc hub status says that it is empty',
            'hãy ghi lại mục [hubs.TÊN] với role = "drain" cho đến khi edoc hub status báo đã hết',
        ),
        find=_find_forgotten,
    ),
    Check(
        code="CHK-HUB-NONE-SENDS",
        severity=CheckSeverity.FAIL,
        title=Text("a hub sends", "có trục để gửi"),
        sentence=Text("nothing new is sent over any hub: {hubs}", "không gửi gì mới qua trục nào: {hubs}"),
        cure=Text(
            "run edoc hub switch with the name of the hub that is to send; everything waits until then",
            "hãy chạy edoc hub switch với tên trục cần dùng để gửi; mọi thứ đang chờ đến lúc đó",
        ),
        find=_find_no_sender,
    ),
    Check(
        code="CHK-HUB-ROLES",
        severity=CheckSeverity.WARN,
        title=Text("the settings say which hub sends", "cấu hình nêu đúng trục dùng để gửi"),
        sentence=Text(
            "edoc hub switch or drain decided otherwise than the settings say: {roles}",
            "edoc hub switch hoặc drain đã quyết định khác với cấu hình: {roles}",
        ),
        cure=Text(
            "write these roles into the settings, so that whoever reads them is not misled",
            "hãy ghi các vai trò này vào cấu hình để người đọc không hiểu nhầm",
        ),
        find=_find_other_roles,
    ),
)
