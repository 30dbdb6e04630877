"""The built site in a real browser: search with and without diacritics, accessibility, nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from tests.browser import expect, find_barriers

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request

HEAVIEST_PAGE = 600_000
HEAVIEST_SHARED = 700_000
PAGES = (
    "docs/index", "README", "docs/configuration", "docs/missing-document", "docs/tutorial", "docs/edxml",
    "docs/reference/commands",
)  # fmt: skip


@pytest.fixture
def strangers() -> list[str]:
    """Addresses elsewhere that a page asked for."""
    return []


@pytest.fixture
def page(open_tab: Callable[[], Page], strangers: list[str]) -> Page:
    """A tab that is watched for asking anybody but this machine."""

    def note(request: Request) -> None:
        if not re.match(r"(http://127\.0\.0\.1|file:|data:)", request.url):
            strangers.append(request.url)

    page = open_tab()
    page.on("request", note)
    return page


def search(page: Page, address: str, words: str) -> list[str]:
    """What a search finds, as titles, the best first."""
    page.goto(f"{address}/search.html?q={quote(words)}")
    expect(page.locator("#search-results .search-summary")).not_to_be_empty(
        timeout=90_000
    )  # it reads every page it found
    return page.locator("#search-results li > a").all_inner_texts()


SOUGHT = (
    ("thu hồi", "thu hoi", "Thu hồi, cập nhật, thay thế, lấy lại"),
    ("hết hạn chứng thư", "het han chung thu", "Hết hạn chứng thư"),
    ("trục không phản hồi", "Truc khong phan hoi", "Trục không phản hồi"),
    ("đơn vị", "don vi", "Nhiều đơn vị"),
)


@pytest.mark.parametrize(("words", "plain", "title"), SOUGHT)
def test_search_does_not_mind_diacritics(page: Page, site_url: str, words: str, plain: str, title: str) -> None:
    """The same pages are found with and without marks, and one whose heading says it comes among the first three."""
    found = search(page, f"{site_url}/vi", words)
    assert found == search(page, f"{site_url}/vi", plain)
    assert any(title in one for one in found[:3]), found[:5]


LEADS_TO = (
    ("thu hồi", "docs/recall"),
    ("thu hoi", "docs/recall"),
    ("hết hạn chứng thư", "docs/missing-document"),
    ("trục không phản hồi", "docs/missing-document"),
    ("mất văn bản", "docs/missing-document"),
    ("gui lai", "docs/hubs"),
    ("key expired", "docs/missing-document"),
    ("hub does not answer", "docs/missing-document"),
    ("gửi lại", "docs/hubs"),
    ("đổi khóa ký", "docs/key-rollover"),
    ("không nhận được văn bản", "docs/missing-document"),
    ("mất kết nối trục", "docs/missing-document"),
    ("lỗi chữ ký", "docs/signatures"),
)


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize(("words", "name"), LEADS_TO)
def test_what_people_look_for_leads_to_its_page(
    page: Page, site_url: str, language: str, words: str, name: str
) -> None:
    """In either site, in either language, marks or not: the page is among the first three, by its own title."""
    titles = search(page, f"{site_url}/{language}", words)
    links = page.locator("#search-results li > a").evaluate_all("(all) => all.map((one) => one.getAttribute('href'))")
    assert any(one.startswith(f"{name}.html") for one in links[:3]), list(zip(titles, links, strict=True))[:5]
    assert len(links) == len(set(links))


def test_a_result_shows_the_words_as_they_are_written(page: Page, site_url: str) -> None:
    """The lines below a result are those that hold what was sought, marks or not."""
    search(page, f"{site_url}/vi", "het han chung thu")
    expect(page.locator("#search-results .context").first).to_contain_text(re.compile("hết hạn chứng thư", re.I))


def test_search_works_in_english(page: Page, site_url: str) -> None:
    """Endings of English words do not matter."""
    assert search(page, f"{site_url}/en", "recalls")[0].startswith("Recall, update")
    assert any("Recall" in one for one in search(page, f"{site_url}/en", "recalled"))


def test_search_works_from_a_folder(page: Page, site: Path, strangers: list[str]) -> None:
    """Without any server, as on a machine in a closed network; nothing is asked of anybody else."""
    assert any("Trục không phản hồi" in one for one in search(page, f"{site.as_uri()}/vi", "truc khong phan hoi")[:3])
    assert strangers == []


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("name", PAGES)
def test_everybody_can_read_it(page: Page, site_url: str, strangers: list[str], language: str, name: str) -> None:
    """axe finds nothing serious; the page says its language; nothing comes from elsewhere."""
    page.goto(f"{site_url}/{language}/{name}.html")
    assert page.locator("html").get_attribute("lang") == language
    assert find_barriers(page) == []
    assert strangers == []


def test_the_other_language_is_one_click_away(page: Page, site_url: str) -> None:
    """From a page to the same page, and back."""
    page.goto(f"{site_url}/vi/docs/configuration.html")
    expect(page.locator("h1")).to_contain_text("Cấu hình")
    page.get_by_role("link", name="English", exact=True).click()
    expect(page.locator("h1")).to_contain_text("Configuration")
    page.get_by_role("link", name="Tiếng Việt", exact=True).click()
    expect(page.locator("h1")).to_contain_text("Cấu hình")


def test_links_to_english_headings_lead_to_the_vietnamese_ones(site: Path) -> None:
    """A page in English only links to `configuration.md#sections`; the Vietnamese page has that place."""
    text = (site / "vi" / "docs" / "configuration.html").read_text(encoding="utf-8")
    assert 'id="sections"' in text
    assert "configuration.html#cac-muc" in (site / "vi" / "docs" / "missing-document.html").read_text(encoding="utf-8")


def test_pages_are_light(site: Path) -> None:
    """No page, and no file that all pages share, is heavy on a slow line; pictures aside."""
    pages = {page.relative_to(site).as_posix(): page.stat().st_size for page in site.rglob("*.html")}
    shared = {path.relative_to(site).as_posix(): path.stat().st_size for path in site.rglob("*.js")}
    assert {name: size for name, size in pages.items() if size > HEAVIEST_PAGE} == {}
    assert {name: size for name, size in shared.items() if size > HEAVIEST_SHARED} == {}
    assert len(pages) > 80
