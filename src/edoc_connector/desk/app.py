"""The desk as an application of Starlette: who is let in to which page, and the routes."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from .._web import CSRF_FIELD, CsrfTokens, Form, Pages, Site, TooLarge, choose_language, read_form
from ..connector import Connector
from ..errors import EdocError
from .call import Call, Denied
from .composing import Composing
from .documents import Documents
from .lists import Lists
from .management import Management
from .roles import Act
from .sign_in import Gate, Person
from .texts import TEXTS

_FORM_LIMIT: Final = 1 << 16  # bytes of a form that brings no files
_MOST_FILES: Final = 100
_QUARANTINE: Final = "/quarantine"
_NAVIGATION: Final = (
    ("/", "nav.home", None),
    ("/incoming", "nav.incoming", None),
    ("/outgoing", "nav.outgoing", None),
    ("/compose", "nav.compose", Act.SEND),
    (_QUARANTINE, "nav.quarantine", None),
    ("/status", "nav.status", None),
    ("/people", "nav.people", Act.MANAGE_PEOPLE),
)

View = Callable[[Call], Response]


def build_app(connector: Connector, *, hosts: Sequence[str], is_secure: bool) -> Starlette:
    """Build the desk of an agency.

    Args:
        connector: of the agency.
        hosts: names under which it answers.
        is_secure: whether people reach it over TLS.
    """
    secret = connector.settings.fetch_proxy_secret()
    gate = Gate(connector.context.store, connector.context.agency, connector.settings.web, proxy_secret=secret)
    desk = _Desk(connector, gate, is_secure=is_secure)
    app = Starlette(
        routes=desk.build_routes(), middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))]
    )
    app.state.gate = gate
    return app


@dataclass(frozen=True, slots=True)
class _Guard:
    """A page that a person asks for.

    Args:
        desk: whose page it is.
        view: makes it.
        act: what the person must be allowed to; None for everybody who signed in.
        most_files: how many files its form may bring.
    """

    desk: _Desk
    view: View
    act: Act | None = None
    most_files: int = 0

    async def __call__(self, request: Request) -> Response:
        desk = self.desk
        refusal = desk.refuse(request)
        if refusal is not None:
            return refusal
        person = await run_in_threadpool(desk.gate.find_person, request, desk.read_session(request))
        request.state.person = person
        if person is None:
            return desk.show_sign_in_or_refusal(request)
        if self.act is not None and not person.may(self.act):
            return desk.deny(request, person)
        try:
            form = await desk.read_form(request, person, most_files=self.most_files)
            return await run_in_threadpool(self.view, Call(request, person, desk.pages, form))
        except Denied as denied:
            return desk.deny(request, person) if denied.name == "wrong.denied" else desk.tell_wrong(request, denied)
        except EdocError as error:
            return desk.tell_error(request, error)


class _Desk:
    def __init__(self, connector: Connector, gate: Gate, *, is_secure: bool) -> None:
        self.connector, self.gate, self._is_secure = connector, gate, is_secure
        self._session_cookie = "__Host-edoc" if is_secure else "edoc-desk"
        self._entry_cookie = "__Host-edoc-entry" if is_secure else "edoc-desk-entry"
        site = Site(brand="brand", navigation=[(path, name) for path, name, _ in _NAVIGATION], prefix="/kit")
        self.pages = Pages(
            site,
            templates=Path(__file__).parent / "templates",
            texts=TEXTS,
            tokens=CsrfTokens(),
            get_session=_get_session,
            describe_reader=self._describe_reader,
        )

    def build_routes(self) -> list[Route]:
        """Build the routes: path, page, method, and what one must be allowed to."""
        lists, documents = Lists(self.connector), Documents(self.connector)
        composing, management = Composing(self.connector), Management(self.connector, self.gate)
        table: list[tuple[str, View, str, Act | None]] = [
            ("/", lists.show_home, "GET", None),
            ("/incoming", lists.show_incoming, "GET", None),
            ("/outgoing", lists.show_outgoing, "GET", None),
            (_QUARANTINE, lists.show_quarantine, "GET", None),
            ("/quarantine/{id:int}/recheck", documents.recheck, "POST", Act.RECHECK),
            ("/registers/{direction}.{kind}", lists.export, "GET", None),
            ("/incoming/{id:int}", documents.show_received, "GET", None),
            ("/incoming/{id:int}/packet.edxml", documents.send_received_packet, "GET", None),
            ("/incoming/{id:int}/files/{number:int}", documents.send_received_file, "GET", None),
            ("/incoming/{id:int}", documents.answer, "POST", None),
            ("/outgoing/{id:int}", documents.show_sent, "GET", None),
            ("/outgoing/{id:int}/packet.edxml", documents.send_sent_packet, "GET", None),
            ("/outgoing/{id:int}/files/{number:int}", documents.send_sent_file, "GET", None),
            ("/outgoing/{id:int}", documents.change, "POST", None),
            ("/compose", composing.show, "GET", Act.SEND),
            ("/compose/agencies", composing.find_agencies, "GET", Act.SEND),
            ("/compose", composing.send, "POST", Act.SEND),
            ("/outgoing/{id:int}/{kind}", composing.show, "GET", Act.SEND),
            ("/outgoing/{id:int}/{kind}", composing.send, "POST", Act.SEND),
            ("/status", management.show_status, "GET", None),
            ("/people", management.show_people, "GET", Act.MANAGE_PEOPLE),
            ("/people", management.change_people, "POST", Act.MANAGE_PEOPLE),
            ("/account", management.show_account, "GET", None),
            ("/account", management.change_password, "POST", None),
        ]
        routes = [
            Route(path, _as_endpoint(_Guard(self, view, act, _MOST_FILES if act is Act.SEND else 0)), methods=[method])
            for path, view, method, act in table
        ]
        own = [
            Route("/sign-in", self._show_sign_in, methods=["GET"]),
            Route("/sign-in", self._sign_in, methods=["POST"]),
            Route("/sign-out", self._sign_out, methods=["POST"]),
        ]
        return [*routes, *own, *self.pages.build_routes()]

    # -- who is there

    def refuse(self, request: Request) -> Response | None:
        """Refuse who is no proxy where there is one, and what a page of another site makes a browser send."""
        if not self.gate.is_answered(request):
            return PlainTextResponse("This address answers its proxy only.", status_code=403)
        origin = request.headers.get("origin")
        if request.method == "POST" and origin is not None and not self._is_own(request, origin):
            return PlainTextResponse("Forms of other sites are not taken.", status_code=403)
        return None

    def _is_own(self, request: Request, origin: str) -> bool:
        own = self.connector.settings.web.url
        try:
            return origin == own or urlsplit(origin).netloc == request.headers.get("host", "")
        except ValueError:  # an address that is none
            return False

    def read_session(self, request: Request) -> str:
        """Read the secret of the session."""
        return request.cookies.get(self._session_cookie, "")

    async def read_form(self, request: Request, person: Person, *, most_files: int) -> Form:
        """Read the form of a request, which must bring its token; a GET has none."""
        if request.method != "POST":
            return Form(values={name: request.query_params.getlist(name) for name in request.query_params})
        limit = self.connector.settings.web.max_upload if most_files else _FORM_LIMIT
        try:
            form = await read_form(request, limit=limit, most_files=most_files)
        except TooLarge as error:
            raise Denied("wrong.large") from error
        if not self.pages.tokens.matches(form.get(CSRF_FIELD), person.session):
            raise Denied("wrong.token")
        return form

    def show_sign_in_or_refusal(self, request: Request) -> Response:
        """Send somebody unknown to where they sign in; behind a proxy that should know them, say so."""
        if self.gate.uses_proxy:
            return self._render_wrong(request, "in.proxy", status=403)
        if "hx-request" in request.headers:  # a part of a page cannot hold another page
            return Response(status_code=204, headers={"hx-redirect": "/sign-in"})
        return self.pages.redirect("/sign-in")

    def deny(self, request: Request, person: Person) -> Response:
        """Say that the person's role may not do that."""
        language = choose_language(request)
        role = person.role.vi if language == "vi" else person.role.en
        return self._render_wrong(request, "wrong.denied", status=403, role=role)

    def tell_wrong(self, request: Request, denied: Denied) -> Response:
        """Say what is wrong with a request."""
        status = {"wrong.missing": 404, "wrong.large": 413}.get(denied.name, 422)
        return self._render_wrong(request, denied.name, status=status)

    def tell_error(self, request: Request, error: EdocError) -> Response:
        """Say why an act was not done, on the page that it was asked for from."""
        words = error.vi if choose_language(request) == "vi" else error.message
        if request.method == "POST":
            path = request.url.path
            return self.pages.redirect(_QUARANTINE if path.endswith("/recheck") else path, words, is_bad=True)
        return self.pages.render(request, "wrong.html", status=422, words=words)

    def _render_wrong(self, request: Request, name: str, *, status: int, **values: object) -> Response:
        words = self.pages.translate(request, name, **values)
        return self.pages.render(request, "wrong.html", status=status, words=words)

    def _describe_reader(self, request: Request) -> Mapping[str, Any]:
        person = _get_person(request)
        shown = [(path, name) for path, name, act in _NAVIGATION if person is not None and _may(person, act)]
        return {
            "navigation": shown,
            "person": person,
            "agency_name": self.connector.settings.agency.name,
            "signs_in_here": not self.gate.uses_proxy,
        }

    # -- signing in and out

    async def _show_sign_in(self, request: Request) -> Response:
        refusal = self.refuse(request)
        if refusal is not None:
            return refusal
        return self._render_sign_in(request, Form())

    def _render_sign_in(self, request: Request, form: Form, *, status: int = 200) -> Response:
        entry = request.cookies.get(self._entry_cookie) or secrets.token_urlsafe(16)
        request.state.entry = entry
        response = self.pages.render(request, "sign_in.html", status=status, form=form)
        self._set_cookie(response, self._entry_cookie, entry)
        return response

    async def _sign_in(self, request: Request) -> Response:
        refusal = self.refuse(request)
        if refusal is not None or self.gate.uses_proxy:
            return refusal or self._render_wrong(request, "in.proxy", status=403)
        try:
            form = await read_form(request, limit=_FORM_LIMIT)
        except TooLarge:
            return self._render_sign_in(request, Form(), status=413)
        entry = request.cookies.get(self._entry_cookie, "")
        if not entry or not self.pages.tokens.matches(form.get(CSRF_FIELD), entry):
            wrong = self.pages.translate(request, "wrong.token")
            return self._render_sign_in(request, Form(errors={"": wrong}), status=422)
        password = (form.list("password") or [""])[0]  # as it was typed, with its spaces
        found = await run_in_threadpool(self.gate.sign_in, request, form.get("name").lower(), password)
        if found is None:
            wrong = self.pages.translate(request, "in.refused")
            shown = Form(values={"name": [form.get("name")]}, errors={"": wrong})
            return self._render_sign_in(request, shown, status=401)
        response = self.pages.redirect("/")
        self._set_cookie(response, self._session_cookie, found[1])
        response.delete_cookie(self._entry_cookie, secure=self._is_secure, httponly=True, samesite="lax")
        return response

    async def _sign_out(self, request: Request) -> Response:
        refusal = self.refuse(request)
        if refusal is not None:
            return refusal
        secret = self.read_session(request)
        try:
            form = await read_form(request, limit=_FORM_LIMIT)
        except TooLarge:
            return self._render_sign_in(request, Form(), status=413)
        if self.pages.tokens.matches(form.get(CSRF_FIELD), secret):
            await run_in_threadpool(self.gate.sign_out, secret)
        response = self.pages.redirect("/sign-in")
        response.delete_cookie(self._session_cookie, secure=self._is_secure, httponly=True, samesite="lax")
        return response

    def _set_cookie(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(name, value, httponly=True, samesite="lax", secure=self._is_secure, path="/")


def _as_endpoint(guard: _Guard) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await guard(request)

    return endpoint


def _get_person(request: Request) -> Person | None:
    return getattr(request.state, "person", None)


def _may(person: Person, act: Act | None) -> bool:
    return act is None or person.may(act)


def _get_session(request: Request) -> str:
    """Get what the tokens of a request's forms are made of: the session, or before there is one its forerunner."""
    person = _get_person(request)
    return person.session if person is not None else getattr(request.state, "entry", "")
