"""The kit of pages, on a small program of its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edoc_connector._web import CsrfTokens, Pages, Site, Texts

if TYPE_CHECKING:
    from tests._web.conftest import PlainBrowser

TEXTS = Texts({"brand": ("Nhãn", "Brand"), "hello": ("Chào {name}", "Hello {name}")})
LAYOUT = '{% extends "kit/layout.html" %}'


@pytest.fixture
def client(tmp_path: Path, browse: Callable[[Starlette], PlainBrowser]) -> PlainBrowser:
    """A browser without script at a program with one page, one live page and one action."""
    (tmp_path / "page.html").write_text(LAYOUT + '{% block main %}{{ t("hello", name=name) }}{% endblock %}')
    (tmp_path / "live.html").write_text(LAYOUT + "{% block main %}{{ live }}{% endblock %}")
    (tmp_path / "part.html").write_text("<b>{{ count }}</b>")
    site = Site(brand="brand", navigation=(("/", "brand"),), prefix="/kit")
    pages = Pages(site, templates=tmp_path, texts=TEXTS, tokens=CsrfTokens())

    async def show(request: Request) -> Response:
        return pages.render(request, "page.html", name="<b>")

    async def show_live(request: Request) -> Response:
        return pages.render_live(request, "live.html", "part.html", count=request.query_params.get("count", "1"))

    async def act(_: Request) -> Response:
        return pages.redirect("/", "Xong: <i>ạ; b=1")

    async def fail(_: Request) -> Response:
        return pages.redirect("/", "Hỏng rồi", is_bad=True)

    routes = [Route("/", show), Route("/live", show_live), Route("/act", act), Route("/fail", fail)]
    routes += pages.build_routes()
    return browse(Starlette(routes=routes))


def test_vietnamese_comes_first_and_english_is_kept(client: PlainBrowser) -> None:
    """A page is Vietnamese until its reader chooses English; values are escaped in both."""
    assert "Chào &lt;b&gt;" in client.get("/").text
    assert 'lang="en"' in client.get("/kit/look", params={"lang": "en", "back": "/"}).text
    assert "Hello &lt;b&gt;" in client.get("/").text
    client.get("/kit/look", params={"lang": "xx", "theme": "dark"})
    assert 'lang="en" data-theme="dark"' in client.get("/").text


@pytest.mark.parametrize("back", ["//evil.example/", "https://evil.example/", "/\\evil.example", ""])
def test_a_choice_leads_nowhere_else(client: PlainBrowser, back: str) -> None:
    """The link that changes the appearance sends a reader to pages of the program alone."""
    answer = client.get("/kit/look", params={"lang": "en", "back": back}, follow=False)
    assert answer.headers["location"] == "/"


def test_a_message_is_shown_once(client: PlainBrowser) -> None:
    """What an action says is on the page that follows it, escaped, and not on the next."""
    assert "Xong: &lt;i&gt;ạ; b=1" in client.get("/act").text
    assert "Xong" not in client.get("/").text


def test_nothing_in_a_page_may_run(client: PlainBrowser) -> None:
    """A strict policy stands on pages and parts, and no page has a script or style of its own in it."""
    for path in ("/", "/live"):
        answer = client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert policy.startswith("default-src 'none'")
        assert not re.search(r"<script(?! src=\"/kit/static/)|<style|\sstyle=|\son\w+=", answer.text)


def test_files_are_kept_by_browsers_and_no_other_is_given(client: PlainBrowser) -> None:
    """Each file that a page names is there under a name with its version; the folder holds no others for strangers."""
    named = re.findall(r'"(/kit/static/[^"]+)"', client.get("/").text)
    assert len(named) == 4
    for path in named:
        assert "immutable" in client.get(path).headers["cache-control"]
    for other in ("pages.py", "../pages.py", "%2e%2e/pages.py", "htmx.LICENSE"):
        assert client.get(f"/kit/static/{other}").status_code == 404


def test_a_live_part_is_sent_where_it_changed(client: PlainBrowser) -> None:
    """The part asks again for itself; unchanged it is 204, changed it comes alone."""
    page = client.get("/live").text
    found = re.search(r'hx-get="([^"]+)"', page)
    assert found is not None
    again = found[1].replace("&amp;", "&")
    assert client.get(again, headers={"hx-request": "true"}).status_code == 204
    changed = client.get(f"{again}&count=2", headers={"hx-request": "true"})
    assert "<b>2</b>" in changed.text
    assert "<html" not in changed.text


def test_a_failure_is_told_as_one(client: PlainBrowser) -> None:
    """The message of an act that was not done looks like one, and its mark is not shown."""
    page = client.get("/fail").text
    assert '<p class="message bad" role="status">Hỏng rồi</p>' in page
    assert '<p class="message" role="status">Xong' in client.get("/act").text


def test_a_program_says_who_its_reader_is(tmp_path: Path, browse: Callable[[Starlette], PlainBrowser]) -> None:
    """Tokens are those of the reader's session, and pages show what the program says about the reader."""
    (tmp_path / "page.html").write_text(LAYOUT + "{% block main %}{{ csrf_token }} {{ who }}{% endblock %}")
    tokens = CsrfTokens()
    pages = Pages(
        Site(brand="brand", navigation=(("/", "brand"),), prefix="/kit"),
        templates=tmp_path,
        texts=TEXTS,
        tokens=tokens,
        get_session=lambda request: request.query_params["session"],
        describe_reader=lambda _: {"who": "An", "navigation": [("/other", "brand")]},
    )

    async def show(request: Request) -> Response:
        return pages.render(request, "page.html")

    page = browse(Starlette(routes=[Route("/", show)])).get("/?session=s1")
    assert 'href="/other"' in page.text
    assert f"{tokens.issue('s1')} An" in page.text
