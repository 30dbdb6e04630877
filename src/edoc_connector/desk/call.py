"""A call of a page: who asks, and with what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from .._web import Form, Language, Pages, choose_language
from .roles import Act
from .sign_in import Person


class Denied(Exception):
    """Something is not done; the name of the text that says why.

    Args:
        name: of the text.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, slots=True)
class Call:
    """A request for a page.

    Args:
        request: as it came.
        person: who asks.
        pages: renders the answer.
        form: what came with it.
    """

    request: Request
    person: Person
    pages: Pages
    form: Form

    @property
    def language(self) -> Language:
        """The language of the reader."""
        return choose_language(self.request)

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters of the address."""
        return self.request.query_params

    @property
    def is_part(self) -> bool:
        """Whether only the part of the page is asked for that changes by itself."""
        return "hx-request" in self.request.headers

    def require(self, act: Act) -> None:
        """Require that the person may do something.

        Raises:
            Denied: their role may not.
        """
        if not self.person.may(act):
            raise Denied("wrong.denied")

    def translate(self, name: str, /, **values: object) -> str:
        """Get a text in the reader's language."""
        return self.pages.translate(self.request, name, **values)

    def render(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Render a page."""
        return self.pages.render(self.request, template, status=status, **values)

    def render_live(self, template: str, part: str, *, seconds: int, **values: Any) -> Response:
        """Render a page with a part that changes by itself."""
        return self.pages.render_live(self.request, template, part, seconds=seconds, **values)

    def tell_done(self, path: str, act: str) -> Response:
        """Send the reader to a page that says that an act was done."""
        return self.pages.redirect(path, self.translate("act.done", act=act))
