"""The page at ``/``: agencies, packets and their timelines, and buttons to play the other agency.

The tree is built, not written as text, so whatever a packet says is escaped. Nothing is loaded from elsewhere, no
script runs. Forms carry a token of this process: a page of another site cannot know it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from lxml import etree, html
from lxml.builder import ElementMaker

from edoc_connector._core import write_private
from edoc_connector.mockhub import packets
from edoc_connector.mockhub.calls import STATE_NAMES
from edoc_connector.mockhub.codes import ErrorCode, RefusedError, format_hub_time
from edoc_connector.mockhub.compose import build_status_packet
from edoc_connector.mockhub.hub import WAITING_STATES, Hub, Incoming
from edoc_connector.mockhub.storage import Agency, Packet, Receipt

E: Final = ElementMaker(makeelement=html.html_parser.makeelement)
Element = etree._Element

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)  # fmt: skip
STYLE: Final = """
body { font: 16px/1.45 system-ui, sans-serif; max-width: 70rem; margin: 1.5rem auto; padding: 0 1rem; color: #1b1b1b; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; vertical-align: top; }
th { border-bottom: 2px solid #888; } td { border-bottom: 1px solid #ddd; }
article { border: 1px solid #bbb; border-radius: .5rem; padding: .2rem 1rem 1rem; margin: 1rem 0; }
h3 { margin: .6rem 0; } ol { margin: .3rem 0; } time, small { color: #555; } form { margin: .4rem 0; }
input { font: inherit; width: 18rem; max-width: 100%; } button { font: inherit; margin-right: .3rem; }
"""

# Button to status code; those that must give a reason (Decision 28/2018/QĐ-TTg).
CODE_BY_ACTION: Final[Mapping[str, str]] = {"accept": "03", "reject": "02", "agree": "15", "refuse": "16"}
CODES_NEEDING_REASON: Final = frozenset({"02", "16"})
_LABELS: Final[Mapping[str, str]] = {
    "accept": "Tiếp nhận (03) · Accept",
    "reject": "Từ chối tiếp nhận (02) · Reject",
    "agree": "Đồng ý (15) · Agree",
    "refuse": "Không đồng ý (16) · Refuse",
}
_BUSINESS: Final[Mapping[str, str]] = {
    "0": "Văn bản mới · New document",
    "1": "Thu hồi · Recall",
    "2": "Cập nhật · Update",
    "3": "Thay thế · Replacement",
}


def render_page(hub: Hub, token: str, message: str = "") -> bytes:
    """Render the page as UTF-8 HTML.

    Args:
        hub: what to show.
        token: what the forms must bring back.
        message: outcome of the last action.
    """
    found = list(reversed(hub.storage.list_packets()))
    body = E.body(
        E.h1("Trục liên thông giả lập · Mock hub"),
        E.p(E.small(f"Giờ của trục · Hub time: {format_hub_time(hub.now())} (UTC+7)")),
        *([E.p(E.strong(_clean_text(message)))] if message else []),
        E.h2("Đơn vị · Agencies"),
        _render_agencies(hub.storage.list_agencies()),
        E.h2("Gói tin · Packets"),
        *([_render_packet(hub, packet, token) for packet in found] or [E.p("Chưa có gói tin nào. · No packets yet.")]),
    )
    head = E.head(
        E.meta(charset="utf-8"),
        E.meta(name="viewport", content="width=device-width, initial-scale=1"),
        E.title("Mock hub"),
        E.link(rel="stylesheet", href="/mock/style.css"),
    )
    page: bytes = html.tostring(E.html(head, body, lang="vi"), encoding="utf-8", doctype="<!DOCTYPE html>")
    return page


def perform_action(hub: Hub, form: Mapping[str, str], token: str) -> str:
    """Perform the action of a button: answer a waiting packet as its recipient.

    Args:
        hub: the hub.
        form: fields ``token``, ``doc`` (docId of the receipt), ``action`` and ``reason``.
        token: what the form must bring back.

    Returns:
        What was done, for the page.

    Raises:
        RefusedError: 28 a foreign form, 26 the packet waits no more, 27 a reason is missing; or as `Hub.accept`.
    """
    if not hmac.compare_digest(form.get("token", "").encode(), token.encode()):
        raise RefusedError(ErrorCode.NOT_ALLOWED, "the form is not of this page; load the page again")
    receipt = hub.storage.find_receipt(form.get("doc", ""))
    agency = hub.storage.find_agency(receipt.recipient) if receipt else None
    packet = hub.storage.find_packet(receipt.packet_id) if receipt else None
    action, reason = form.get("action", ""), form.get("reason", "").strip()
    if receipt is None or agency is None or packet is None or action not in _list_actions(packet, receipt):
        raise RefusedError(ErrorCode.NO_SUCH_DOC, "this packet does not wait for that answer any more")
    if CODE_BY_ACTION[action] in CODES_NEEDING_REASON and not reason:
        raise RefusedError(ErrorCode.MALFORMED, "Cần ghi lý do. · A reason is needed.")
    answered = packets.extract_facts(packets.parse_packet(hub.get_path(packet)))
    if action in ("accept", "reject"):
        _send_answer(hub, agency, packet, answered, "01", "")
    _send_answer(hub, agency, packet, answered, CODE_BY_ACTION[action], reason)
    hub.confirm(agency.system_id, receipt.id, "done", actor=f"{agency.code} (page)")
    return f"{agency.code}: {_LABELS[action]}"


def _send_answer(
    hub: Hub, agency: Agency, packet: Packet, answered: packets.PacketFacts, code: str, reason: str
) -> None:
    path = hub.new_incoming_path()
    try:
        write_private(
            path,
            build_status_packet(
                code=code,
                sender={"OrganId": agency.code, "OrganName": agency.name},
                answered_facts=answered,
                to=packet.sender,
                reason=reason,
                at=hub.now(),
            ),
        )
        hub.accept(Incoming(packet=path, system_id=agency.system_id, sender=agency.code, message_type="status"))
    finally:
        path.unlink(missing_ok=True)


def _list_actions(packet: Packet, receipt: Receipt) -> tuple[str, ...]:
    if receipt.state not in WAITING_STATES or not (packet.business or packet.status == "13"):
        return ()
    return ("accept", "reject") if packet.business == "0" else ("agree", "refuse")


def _render_agencies(agencies: list[Agency]) -> Element:
    head = E.tr(*(E.th(text) for text in ("Mã · Code", "Tên · Name", "Hệ thống · System", "Khóa · Locked")))
    rows = [
        E.tr(
            E.td(_clean_text(agency.code)),
            E.td(_clean_text(agency.name)),
            E.td(_clean_text(agency.system_id)),
            E.td("×" if agency.locked else ""),
        )
        for agency in agencies
    ]
    return E.table(head, *rows)


def _render_packet(hub: Hub, packet: Packet, token: str) -> Element:
    kind = f"Trạng thái · Status {packet.status}" if packet.status else _BUSINESS.get(packet.business, "?")
    return E.article(
        E.h3(
            f"{kind}: " + " — ".join(part for part in (_clean_text(packet.notation), _clean_text(packet.title)) if part)
        ),
        E.p(
            E.small(
                f"{_clean_text(packet.sender)} · {_clean_text(packet.document_id)} · {packet.size:,} byte · {packet.id}"
            )
        ),
        *(_render_receipt(packet, receipt, token) for receipt in hub.storage.list_receipts(packet.id)),
        _render_timeline(hub, packet),
    )


def _render_receipt(packet: Packet, receipt: Receipt, token: str) -> Element:
    state = E.p(E.b(_clean_text(receipt.recipient)), f": {STATE_NAMES[receipt.state]} · {receipt.state}")
    actions = _list_actions(packet, receipt)
    if not actions:
        return E.section(state)
    form = E.form(
        E.input(type="hidden", name="token", value=token),
        E.input(type="hidden", name="doc", value=receipt.id),
        E.input(name="reason", placeholder="Lý do · Reason", maxlength="500"),
        E.br(),
        *(E.button(_LABELS[action], name="action", value=action) for action in actions),
        method="post",
        action="/mock/act",
    )
    form.set("accept-charset", "utf-8")
    return E.section(state, form)


def _render_timeline(hub: Hub, packet: Packet) -> Element:
    items = [
        E.li(
            E.time(format_hub_time(datetime.fromisoformat(event.at))),
            f" {_clean_text(event.actor)}: {_clean_text(event.what)}",
        )
        for event in hub.storage.list_events(packet.id)
    ]
    return E.ol(*items)


def _clean_text(text: str) -> str:
    """Clean a text for a tree; all of it came over the wire, and JSON can carry what XML and HTML cannot."""
    return "".join(character if character.isprintable() else " " for character in text)
