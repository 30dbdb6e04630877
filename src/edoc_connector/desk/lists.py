"""The lists of the desk: what is to be done, the two registers, and what was set aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from starlette.responses import Response

from .._web import Paging
from ..connector import Connector, run_checks
from ..store import DeliveryState, ReceiptState, RegisterFilter, Tx
from .call import Call, Denied
from .documents import ANSWERED, REQUESTS
from .views import RowView, build_filter, load_received, load_sent, pick

_SIZE: Final = 25
_LIST_SECONDS: Final = 15
_SHOWN: Final = 8
_LOOKED_BACK: Final = timedelta(days=366)
_RECEIVED_STATES: Final = ("waiting", "handled", "confirmed", "duplicate")
_ARRIVED: Final = (ReceiptState.WAITING, ReceiptState.HANDLING, ReceiptState.HANDLED, ReceiptState.CONFIRMED)
_MEDIA_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@dataclass(frozen=True, slots=True)
class Lists:
    """Pages with lists."""

    connector: Connector

    def show_home(self, call: Call) -> Response:
        """Show what waits for somebody."""
        with self.connector.context.store.snapshot() as tx:
            groups = [(name, rows) for name, rows in self._list_open(tx, call) if rows]
        checks = [one for one in run_checks(self.connector.check_subject, slow=False) if one.is_raised]
        shown = [(one.severity.value, pick(call.language, one.text), pick(call.language, one.cure)) for one in checks]
        return call.render("home.html", groups=groups, checks=shown)

    def _list_open(self, tx: Tx, call: Call) -> list[tuple[str, list[RowView]]]:
        agency, language = self.connector.context.agency, call.language
        recent = RegisterFilter(since=tx.now - _LOOKED_BACK)
        arrived = tx.registers.find_received(agency, replace(recent, states=_ARRIVED))
        rows = tx.receipts.find_all(agency, id=arrived[:1000]) if arrived else []
        waiting = [one.id for one in rows if one.business == "new" and one.last_code in (None, "01") and not one.change]
        asked = [one.id for one in rows if one.business in REQUESTS and one.last_code not in ANSWERED]
        sent = {
            state: tx.registers.find_sent(agency, replace(recent, states=(state,)))[:_SHOWN]
            for state in (DeliveryState.UNKNOWN, DeliveryState.FAILED)
        }
        set_aside = tx.receipts.find_all(agency, state=ReceiptState.QUARANTINED, limit=_SHOWN)
        return [
            ("home.waiting", load_received(tx, agency, waiting[:_SHOWN], language)),
            ("home.asked", load_received(tx, agency, asked[:_SHOWN], language)),
            ("home.unknown", load_sent(tx, agency, sent[DeliveryState.UNKNOWN], language)),
            ("home.failed", load_sent(tx, agency, sent[DeliveryState.FAILED], language)),
            ("home.quarantined", load_received(tx, agency, [one.id for one in set_aside], language)),
        ]

    def show_incoming(self, call: Call) -> Response:
        """Show the register of incoming documents, requests among them."""
        state = call.query.get("state", "")
        states = (state,) if state in _RECEIVED_STATES else _ARRIVED
        wanted = build_filter(call.query, states=states)
        return self._show(
            call, "incoming", wanted, [(one, pick(call.language, ReceiptState(one))) for one in _RECEIVED_STATES]
        )

    def show_outgoing(self, call: Call) -> Response:
        """Show the register of outgoing documents, requests among them."""
        state = call.query.get("state", "")
        wanted = build_filter(call.query, states=(state,) if state in set(DeliveryState) else None)
        return self._show(call, "outgoing", wanted, DeliveryState.choices(call.language))

    def _show(self, call: Call, direction: str, wanted: RegisterFilter, states: Sequence[tuple[str, str]]) -> Response:
        agency = self.connector.context.agency
        is_sent = direction == "outgoing"
        with self.connector.context.store.snapshot() as tx:
            found = (tx.registers.find_sent if is_sent else tx.registers.find_received)(agency, wanted)
            paging = Paging.parse(call.query.get("page", ""), total=len(found), size=_SIZE)
            page = found[paging.offset : paging.offset + paging.size]
            rows = (load_sent if is_sent else load_received)(tx, agency, page, call.language)
        query = {name: call.query.get(name, "") for name in ("text", "since", "until", "state")}
        values: dict[str, Any] = {"direction": direction, "rows": rows, "paging": paging, "query": query}
        return call.render_live("list.html", "list_live.html", seconds=_LIST_SECONDS, states=states, **values)

    def show_quarantine(self, call: Call) -> Response:
        """Show what was set aside, and why."""
        agency = self.connector.context.agency
        with self.connector.context.store.snapshot() as tx:
            found = tx.receipts.find_all(agency, state=ReceiptState.QUARANTINED)
            paging = Paging.parse(call.query.get("page", ""), total=len(found), size=_SIZE)
            page = [one.id for one in found[paging.offset : paging.offset + paging.size]]
            rows = load_received(tx, agency, page, call.language)
        return call.render("quarantine.html", rows=rows, paging=paging)

    def export(self, call: Call) -> Response:
        """Send a register as a file."""
        direction, kind = call.request.path_params["direction"], call.request.path_params["kind"]
        if kind not in _MEDIA_TYPES or direction not in ("incoming", "outgoing"):
            raise Denied("wrong.missing")
        wanted = build_filter(call.query)
        register = self.connector.register(direction, since=wanted.since, until=wanted.until, text=wanted.text)
        content = register.format_csv(call.language) if kind == "csv" else register.format_xlsx(call.language)
        name = {"incoming": "so-van-ban-den", "outgoing": "so-van-ban-di"}[direction]
        headers = {"content-disposition": f'attachment; filename="{name}.{kind}"', "cache-control": "no-store"}
        return Response(content, media_type=_MEDIA_TYPES[kind], headers=headers)
