"""The page over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from edoc_connector._web import (
    CSRF_FIELD,
    SECURITY_HEADERS,
    CsrfTokens,
    Form,
    Pages,
    Paging,
    Site,
    TooLarge,
    choose_language,
    read_form,
)
from edoc_connector.mockhub.codes import VIETNAM, RefusedError, format_hub_time
from edoc_connector.mockhub.faults import ACTS_BY_KIND, Fault
from edoc_connector.mockhub.guard import guard_endpoint
from edoc_connector.mockhub.hub import Hub
from edoc_connector.mockhub.page.composing import build_draft, find_errors
from edoc_connector.mockhub.page.contents import read_contents, read_file
from edoc_connector.mockhub.page.texts import STATUS_NAMES, TEXTS
from edoc_connector.mockhub.page.views import (
    build_timeline,
    clean_text,
    describe_packet,
    list_choices,
    name_status,
)
from edoc_connector.mockhub.playing import (
    CODE_BY_ACTION,
    Answer,
    NotDoneError,
    answer_packet,
    recall_document,
    send_draft,
)
from edoc_connector.mockhub.storage import Packet

_MOST_FILES: Final = 50
_FORM_LIMIT: Final = 1 << 16  # bytes of a form that brings no files
_SITE: Final = Site(
    brand="brand",
    navigation=(
        ("/", "nav.packets"),
        ("/page/compose", "nav.compose"),
        ("/page/agencies", "nav.agencies"),
        ("/page/faults", "nav.faults"),
        ("/page/requests", "nav.requests"),
    ),
    prefix="/page",
)
_KINDS: Final = ("document", "1", "2", "3", "status")
_FILTERS: Final = ("text", "agency", "kind", "state")
_STATES: Final = ("initial", "processing", "done", "fail")


def build_routes(hub: Hub) -> list[Route]:
    """Build the routes of the page of a hub."""
    pages = Pages(_SITE, templates=Path(__file__).parent / "templates", texts=TEXTS, tokens=CsrfTokens())
    desk = _Desk(hub, pages)
    table: list[tuple[str, Callable[[Request], Awaitable[Response]], str]] = [
        ("/", desk.show_packets, "GET"),
        ("/page/packets/{id}", desk.show_packet, "GET"),
        ("/page/packets/{id}/packet.edxml", desk.send_raw, "GET"),
        ("/page/packets/{id}/files/{number:int}", desk.send_file, "GET"),
        ("/page/packets/{id}/answer", desk.answer, "POST"),
        ("/page/packets/{id}/recall", desk.recall, "POST"),
        ("/page/compose", desk.show_compose, "GET"),
        ("/page/compose", desk.compose, "POST"),
        ("/page/agencies", desk.show_agencies, "GET"),
        ("/page/agencies", desk.lock, "POST"),
        ("/page/faults", desk.show_faults, "GET"),
        ("/page/faults", desk.plan_fault, "POST"),
        ("/page/faults/remove", desk.remove_fault, "POST"),
        ("/page/requests", desk.show_requests, "GET"),
    ]
    own = [Route(path, guard_endpoint(hub, endpoint), methods=[method]) for path, endpoint, method in table]
    kit = [Route(one.path, guard_endpoint(hub, one.endpoint), methods=["GET"]) for one in pages.build_routes()]
    return [*own, *kit]


@dataclass(frozen=True, slots=True)
class _Desk:
    """The endpoints, each on what a hub has."""

    hub: Hub
    pages: Pages

    # --- Packets. ---

    async def show_packets(self, request: Request) -> Response:
        query: dict[str, Any] = {name: request.query_params.get(name, "") for name in _FILTERS}
        values = await run_in_threadpool(self._list_packets, request, query)
        return await self._render_live(request, "packets.html", "packets_live.html", query=query, **values)

    def _list_packets(self, request: Request, query: Mapping[str, Any]) -> dict[str, Any]:
        language, search = choose_language(request), partial(self.hub.storage.search_packets, **query)
        _, total = search(limit=0)
        paging = Paging.parse(request.query_params.get("page", ""), total=total)
        found, _ = search(limit=paging.size, offset=paging.offset)
        return {
            "rows": [describe_packet(self.hub, one, language) for one in found],
            "paging": paging,
            "agencies": list_choices(self.hub),
            "kinds": _KINDS,
            "states": _STATES,
            "form": Form(values={name: [value] for name, value in query.items()}),
        }

    async def show_packet(self, request: Request) -> Response:
        packet = self._find_packet(request)
        if packet is None:
            return self._show_missing(request)
        values = await run_in_threadpool(self._read_packet, request, packet)
        return await self._render_live(request, "packet.html", "packet_live.html", **values)

    def _find_packet(self, request: Request) -> Packet | None:
        return self.hub.storage.find_packet(request.path_params["id"])

    def _read_packet(self, request: Request, packet: Packet) -> dict[str, Any]:
        language, path = choose_language(request), self.hub.get_path(packet)
        view = describe_packet(self.hub, packet, language)
        values = {
            "view": view,
            "entries": build_timeline(self.hub, packet, language),
            "form": Form(values={"agency": [one.code for one in view.recipients if one.is_waiting][:1]}),
            "codes": [(code, f"{code} {name_status(language, code)}") for code in STATUS_NAMES],
            "agencies": list_choices(self.hub, [one.code for one in view.recipients] + [packet.sender]),
            "actions": _list_actions(packet),
            "about": _find_document(self.hub, packet),
        }
        if "hx-request" not in request.headers:  # what never changes, and takes time to read
            inspector = self.hub.config.inspector
            values |= {"contents": read_contents(path), "inspection": inspector and inspector(path)}
        return values

    def _show_missing(self, request: Request) -> Response:
        return self._render(request, "missing.html", status=404)

    async def send_raw(self, request: Request) -> Response:
        packet = self._find_packet(request)
        if packet is None:
            return self._show_missing(request)
        path = self.hub.get_path(packet)
        return FileResponse(path, media_type="application/xml", filename=f"{packet.id}.edxml", headers=_FILE_HEADERS)

    async def send_file(self, request: Request) -> Response:
        packet = self._find_packet(request)
        found = None
        if packet is not None:
            found = await run_in_threadpool(read_file, self.hub.get_path(packet), request.path_params["number"])
        if found is None:
            return self._show_missing(request)
        view, content = found
        is_pdf = content.startswith(b"%PDF-")  # the browser's own viewer; anything else could be a page of somebody's
        headers = {
            **_FILE_HEADERS,
            "content-disposition": f"{'inline' if is_pdf else 'attachment'}; filename*=UTF-8''{quote(view.name)}",
        }
        return Response(
            content, media_type="application/pdf" if is_pdf else "application/octet-stream", headers=headers
        )

    # --- Actions. ---

    async def answer(self, request: Request) -> Response:
        def act(packet: Packet, form: Form) -> str:
            code = CODE_BY_ACTION.get(form.get("action"), form.get("code"))
            if code not in STATUS_NAMES:
                raise NotDoneError("wrong.order")
            answer = Answer(
                agency=form.get("agency"), code=code, reason=form.get("reason"), is_forced=bool(form.get("force"))
            )
            answer_packet(self.hub, packet, answer)
            name = name_status(choose_language(request), code)
            return self.pages.translate(request, "answer.sent", agency=answer.agency, code=code, meaning=name)

        return await self._act_on_packet(request, act)

    async def recall(self, request: Request) -> Response:
        def act(packet: Packet, form: Form) -> str:
            recall_document(self.hub, packet, form.get("reason"))
            return self.pages.translate(request, "recall.sent")

        return await self._act_on_packet(request, act)

    async def _act_on_packet(self, request: Request, act: Callable[[Packet, Form], str]) -> Response:
        packet = self._find_packet(request)
        if packet is None:
            return self._show_missing(request)
        return await self._act(request, f"/page/packets/{packet.id}", lambda form: act(packet, form))

    async def _act(self, request: Request, back: str, act: Callable[[Form], str]) -> Response:
        """Perform what a form asks for, and send the reader to a page that says how it went."""
        try:
            form = await self._read_form(request)
            message = await run_in_threadpool(act, form)
        except NotDoneError as refused:
            message = self.pages.translate(request, refused.name)
        except RefusedError as refused:
            message = self._describe_refusal(request, refused)
        return self.pages.redirect(back, message)

    async def _read_form(self, request: Request, *, limit: int = _FORM_LIMIT, most_files: int = 0) -> Form:
        try:
            form = await read_form(request, limit=limit, most_files=most_files)
        except TooLarge as error:
            raise NotDoneError("wrong.large") from error
        if not self.pages.tokens.matches(form.get(CSRF_FIELD)):
            raise NotDoneError("wrong.token")
        return form

    def _describe_refusal(self, request: Request, refused: RefusedError) -> str:
        return self.pages.translate(request, "wrong.refused", code=refused.code.value, text=refused.text)

    # --- Composing. ---

    async def show_compose(self, request: Request) -> Response:
        return self._render_compose(request, Form())

    async def compose(self, request: Request) -> Response:
        try:
            form = await self._read_form(request, limit=self.hub.config.max_packet, most_files=_MOST_FILES)
        except NotDoneError as refused:
            return self._render_compose(request, self._mark(request, Form(), {"": refused.name}), status=422)
        errors = find_errors(self.hub, form)
        if errors:
            return self._render_compose(request, self._mark(request, form, errors), status=422)
        draft = build_draft(self.hub, form)
        try:
            packet_id = await run_in_threadpool(send_draft, self.hub, draft)
        except RefusedError as refused:
            wrong = form.with_errors({"": self._describe_refusal(request, refused)})
            return self._render_compose(request, wrong, status=422)
        notation = f"{draft.number}/{draft.notation}"
        message = self.pages.translate(request, "compose.sent", notation=notation)
        return self.pages.redirect(f"/page/packets/{packet_id}", message)

    def _mark(self, request: Request, form: Form, errors: Mapping[str, str]) -> Form:
        return form.with_errors({field: self.pages.translate(request, name) for field, name in errors.items()})

    def _render_compose(self, request: Request, form: Form, *, status: int = 200) -> Response:
        priorities = [(str(number), self.pages.translate(request, f"priority.{number}")) for number in range(4)]
        today = self.hub.now().astimezone(VIETNAM).date().isoformat()
        agencies = list_choices(self.hub)
        values = {"form": form, "agencies": agencies, "priorities": priorities, "today": today}
        return self._render(request, "compose.html", status=status, **values)

    # --- Agencies. ---

    async def show_agencies(self, request: Request) -> Response:
        storage = self.hub.storage
        text = request.query_params.get("text", "")
        found, total = storage.search_agencies(text=text, limit=0)
        paging = Paging.parse(request.query_params.get("page", ""), total=total, size=50)
        found, _ = storage.search_agencies(text=text, limit=paging.size, offset=paging.offset)
        rows = [(one, clean_text(one.code), clean_text(one.name), storage.count_waiting(one.code)) for one in found]
        form = Form(values={"text": [text]})
        return await self._render_live(
            request, "agencies.html", "agencies_live.html", rows=rows, paging=paging, form=form
        )

    async def lock(self, request: Request) -> Response:
        def act(form: Form) -> str:
            agency = self.hub.storage.find_agency(form.get("code"))
            if agency is None:
                raise NotDoneError("wrong.agency")
            self.hub.storage.mark_agency(agency.code, locked=not agency.locked, at=self.hub.now())
            done = "agencies.unlocked.done" if agency.locked else "agencies.locked.done"
            return self.pages.translate(request, done, code=agency.code)

        return await self._act(request, "/page/agencies", act)

    # --- Faults. ---

    async def show_faults(self, request: Request) -> Response:
        pending = self.hub.faults.list_pending()
        return await self._render_live(
            request, "faults.html", "faults_live.html", pending=pending, kinds=list(ACTS_BY_KIND), form=Form()
        )

    async def plan_fault(self, request: Request) -> Response:
        def act(form: Form) -> str:
            try:
                self.hub.faults.add(_build_fault(form))
            except ValueError as error:
                return self.pages.translate(request, "wrong.fault", text=error)
            return self.pages.translate(request, "faults.added")

        return await self._act(request, "/page/faults", act)

    async def remove_fault(self, request: Request) -> Response:
        def act(form: Form) -> str:
            if form.get("number").isdecimal():
                self.hub.faults.remove(int(form.get("number")))
            else:
                self.hub.faults.clear()
            return self.pages.translate(request, "faults.removed")

        return await self._act(request, "/page/faults", act)

    # --- The record of requests. ---

    async def show_requests(self, request: Request) -> Response:
        path, agency = (request.query_params.get(name, "").strip() for name in ("path", "agency"))
        seen = self.hub.requests.list_seen(path or "*", agency)[::-1]
        paging = Paging.parse(request.query_params.get("page", ""), total=len(seen))
        rows = seen[paging.offset : paging.offset + paging.size]
        form = Form(values={"path": [path], "agency": [agency]})
        return await self._render_live(
            request, "requests.html", "requests_live.html", rows=rows, paging=paging, form=form
        )

    # --- Rendering. ---

    def _render(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        return self.pages.render(request, template, status=status, now=format_hub_time(self.hub.now()), **values)

    async def _render_live(self, request: Request, template: str, part: str, **values: Any) -> Response:
        now = format_hub_time(self.hub.now())
        return self.pages.render_live(request, template, part, now=now, **values)


_FILE_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "cache-control": SECURITY_HEADERS["cache-control"],
    "referrer-policy": SECURITY_HEADERS["referrer-policy"],
}


def _list_actions(packet: Packet) -> tuple[str, ...]:
    """List the buttons of a packet: those that answer what it asks."""
    if packet.business == "0":
        return ("accept", "reject")
    return ("agree", "refuse") if packet.business or packet.status == "13" else ()


def _find_document(hub: Hub, packet: Packet) -> Packet | None:
    """Find the document that a status or a change is about."""
    if packet.business == "0":
        return None
    return hub.storage.find_document(packet.about or packet.document_id)


def _build_fault(form: Form) -> Fault:
    """Build the fault of a form.

    Raises:
        ValueError: it could not happen.
    """
    count = int(form.get("count") or 1)
    return Fault(
        kind=form.get("kind"),
        path=form.get("path") or "*",
        agency=form.get("agency"),
        nth=int(form.get("nth") or 1),
        probability=float(form.get("probability") or 1),
        count=count or None,
        seconds=float(form.get("seconds") or 0),
        status=int(form.get("status") or 500),
    )
