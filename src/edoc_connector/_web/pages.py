"""Pages made of templates, with what every page has: language, appearance, navigation, a message, safe headers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from edoc_connector._web.csrf import CSRF_FIELD, CsrfTokens
from edoc_connector._web.security import SECURITY_HEADERS
from edoc_connector._web.texts import KIT_TEXTS, LANGUAGE_COOKIE, Texts, choose_language

_HERE: Final = Path(__file__).parent
_STATIC: Final[Mapping[str, str]] = {
    "pico.min.css": "text/css",
    "kit.css": "text/css",
    "htmx.min.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_THEME_COOKIE: Final = "theme"
_MESSAGE_COOKIE: Final = "message"
_THEMES: Final = ("light", "dark")
_YEAR: Final = 365 * 24 * 3600
_LONGEST_MESSAGE: Final = 500  # characters; a cookie holds 4096 bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the pages of one program share.

    Args:
        brand: name of the text that names the program.
        navigation: path and name of the text of each entry.
        prefix: path below which the kit's own files and settings are served.
    """

    brand: str
    navigation: Sequence[tuple[str, str]]
    prefix: str


class Pages:
    """Renders the pages of a program.

    Args:
        site: what they share.
        templates: folder with the program's templates; ``kit/layout.html`` and ``kit/parts.html`` are there as well.
        texts: the program's texts.
        filters: further filters of the templates, by name.
        tokens: of forms.
        get_session: gives the session of a request, whose token its forms have; a program without sessions has none.
        describe_reader: gives what else every page of a request shows.
    """

    def __init__(
        self,
        site: Site,
        *,
        templates: Path,
        texts: Texts,
        tokens: CsrfTokens,
        filters: Mapping[str, Callable[..., Any]] | None = None,
        get_session: Callable[[Request], str] = lambda _: "",
        describe_reader: Callable[[Request], Mapping[str, Any]] = lambda _: {},
    ) -> None:
        self.site = site
        self.texts = KIT_TEXTS | texts
        self.tokens = tokens
        self._get_session = get_session
        self._describe_reader = describe_reader
        loaders = [FileSystemLoader(templates), FileSystemLoader(_HERE / "templates")]
        self._environment = Environment(
            loader=ChoiceLoader(loaders),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(filters or {})
        self._version = _compute_version()

    def build_routes(self) -> list[Route]:
        """Build the routes of the kit's own files, and of the choice of language and appearance."""
        prefix = self.site.prefix
        return [
            Route(f"{prefix}/static/{{name}}", _serve_static, methods=["GET"]),
            Route(f"{prefix}/look", _change_look, methods=["GET"]),
        ]

    def translate(self, request: Request, name: str, /, **values: object) -> str:
        """Get a text in the language of a request."""
        return self.texts.get(choose_language(request), name, **values)

    def render(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        """Render a page.

        Args:
            request: asks for it.
            template: its name.
            status: HTTP status of the answer.
            **values: what the template shows.
        """
        content = self._environment.get_template(template).render(self._build_context(request) | values)
        response = Response(content, status, media_type="text/html", headers=dict(SECURITY_HEADERS))
        if _MESSAGE_COOKIE in request.cookies:
            response.delete_cookie(_MESSAGE_COOKIE)
        return response

    def render_live(self, request: Request, template: str, part: str, *, seconds: int = 2, **values: Any) -> Response:
        """Render a page with a part that is asked for again every few seconds, or that part alone where that is asked.

        The page is given the part as ``live``. Where nothing changed since the digest that the request names as
        ``seen``, the answer is 204, on which the page stays as it is: focus and selection are not lost.

        Args:
            request: asks for it; with the header ``HX-Request`` for the part.
            template: name of the page's template.
            part: name of the part's template.
            seconds: how often the part is asked for.
            **values: what both show.
        """
        context = self._build_context(request) | values
        content = self._environment.get_template(part).render(context)
        digest = hashlib.sha256(content.encode()).hexdigest()[:16]
        is_part = "hx-request" in request.headers
        if is_part and request.query_params.get("seen") == digest:
            return Response(status_code=204, headers=dict(SECURITY_HEADERS))
        url = build_url(request, seen=digest)
        live = self._environment.get_template("kit/live.html").render(url=url, seconds=seconds, content=Markup(content))  # noqa: S704  it was escaped as it was rendered
        if is_part:
            return Response(live, media_type="text/html", headers=dict(SECURITY_HEADERS))
        return self.render(request, template, live=Markup(live), **values)  # noqa: S704  likewise

    def redirect(self, path: str, message: str = "", *, is_bad: bool = False) -> Response:
        """Send the reader to a page, which shows a message once; one that tells of a failure as such."""
        response = RedirectResponse(path, status_code=303)
        if message:
            text = quote(("!" if is_bad else "") + message[:_LONGEST_MESSAGE])
            response.set_cookie(_MESSAGE_COOKIE, text, max_age=60, httponly=True, samesite="strict")
        return response

    def _build_context(self, request: Request) -> dict[str, Any]:
        language = choose_language(request)
        theme = request.cookies.get(_THEME_COOKIE, "")
        message = unquote(request.cookies.get(_MESSAGE_COOKIE, ""))
        return {
            "site": self.site,
            "navigation": self.site.navigation,
            "language": language,
            "theme": theme if theme in _THEMES else "",
            "path": request.url.path,
            "version": self._version,
            "message": message.removeprefix("!"),
            "is_bad": message.startswith("!"),
            "csrf_field": CSRF_FIELD,
            "csrf_token": self.tokens.issue(self._get_session(request)),
            "t": partial(self.texts.get, language),
            "look": lambda **changes: (
                f"{self.site.prefix}/look?" + urlencode({**changes, "back": _get_target(request)})
            ),
            "url": lambda **changes: build_url(request, **changes),
        } | dict(self._describe_reader(request))


def build_url(request: Request, **changes: object) -> str:
    """Build the URL of a request with other parameters; those that are empty are left out."""
    query = {**request.query_params, **changes}
    text = urlencode({name: value for name, value in query.items() if value not in ("", None)})
    return f"{request.url.path}?{text}" if text else request.url.path


def _get_target(request: Request) -> str:
    return build_url(request, seen="")


def _compute_version() -> str:
    digest = hashlib.sha256()
    for name in _STATIC:
        digest.update((_HERE / "static" / name).read_bytes())
    return digest.hexdigest()[:12]


async def _serve_static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STATIC:
        return Response(status_code=404)
    headers = {"cache-control": f"max-age={_YEAR}, immutable", "x-content-type-options": "nosniff"}
    return FileResponse(_HERE / "static" / name, media_type=_STATIC[name], headers=headers)


async def _change_look(request: Request) -> Response:
    back = request.query_params.get("back", "/")
    is_own = back.startswith("/") and not back.startswith(("//", "/\\"))
    response = RedirectResponse(back if is_own else "/", status_code=303)
    for cookie, choices in ((LANGUAGE_COOKIE, ("vi", "en")), (_THEME_COOKIE, _THEMES)):
        chosen = request.query_params.get(cookie)
        if chosen in choices:
            response.set_cookie(cookie, chosen, max_age=_YEAR, httponly=True, samesite="lax")
    return response
