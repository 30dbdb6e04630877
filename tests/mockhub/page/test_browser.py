"""The page in a real browser: a document's life by clicks, accessibility, narrow and wide, light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.browser import expect, find_barriers

from edoc_connector.config import Settings
from edoc_connector.connector import Connector
from edoc_connector.edxml import StatusCode
from edoc_connector.mockhub import Fault
from edoc_connector.testing import sample_document, sample_pdf
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from playwright.sync_api import FilePayload, Page

AGENCIES = {"H29.05": "Sở Nội vụ", "G22": "Văn phòng Chính phủ", "H30": "UBND tỉnh Hà Nam"}
PAGES = ("/", "/page/compose", "/page/agencies", "/page/faults", "/page/requests")


@pytest.fixture
def page(open_tab: Callable[[], Page], mock_hub: RunningHub) -> Page:
    """A tab, and a hub with three agencies."""
    for code, name in AGENCIES.items():
        mock_hub.add_agency(code, f"secret-{code}", name)
    return open_tab()


@pytest.fixture
def connector(mock_hub: RunningHub, tmp_path: Path, plain_http: None, tables: bytes) -> Iterator[Connector]:
    """The library, as the agency H29.05."""
    (tmp_path / "edoc.db").write_bytes(tables)
    (tmp_path / "secret").write_text("secret-H29.05")
    sections: dict[str, dict[str, Any]] = {
        "agency": {"id": "H29.05", "name": AGENCIES["H29.05"]},
        "hub": {"endpoint": mock_hub.url, "system_id": "H29.05", "secret": "file:secret"},
        "limits": {"grace": 0.0, "backoff": 0.0},
    }
    with Connector.open(Settings.of(sections, folder=tmp_path)) as connector:
        yield connector


def compose(page: Page, hub: RunningHub, *, number: str, subject: str, sender: str, to: list[str]) -> None:
    """Fill the form of a document in by keyboard and mouse, with a file, and send it."""
    page.goto(f"{hub.url}/page/compose")
    page.get_by_label("Gửi thay đơn vị").select_option(sender)
    for code in to:
        page.get_by_role("checkbox", name=re.compile(code)).check()
    page.get_by_label("Số", exact=True).fill(number)
    page.get_by_label("Ký hiệu").fill("VPCP-HC")
    page.get_by_label("Trích yếu").fill(subject)
    pdf: FilePayload = {
        "name": "công-văn.pdf", "mimeType": "application/pdf", "buffer": sample_pdf(["CONG VAN"]),
    }  # fmt: skip
    page.get_by_label("Tệp đính kèm").set_input_files([pdf])
    page.get_by_role("button", name="Gửi văn bản").click()


def test_a_document_lives_in_the_browser(
    page: Page, mock_hub: RunningHub, connector: Connector, complaints: list[str]
) -> None:
    """Composed, received by the library, seen on the page; sent by the library, answered on the page, status seen."""
    page.goto(mock_hub.url)
    expect(page.get_by_text("Chưa có gói tin nào.")).to_be_visible()
    compose(page, mock_hub, number="12", subject="Kế hoạch năm 2027", sender="G22", to=["H29.05", "H30"])
    expect(page.get_by_role("status")).to_have_text("Đã gửi 12/VPCP-HC.")
    expect(page.get_by_role("link", name="công-văn.pdf")).to_be_visible()

    (receipt,) = connector.receive()
    with receipt:
        assert (receipt.document.subject, [one.name for one in receipt.attachments]) == (
            "Kế hoạch năm 2027", ["công-văn.pdf"],
        )  # fmt: skip
    receipt.accept("Vào sổ số 7")
    row = page.get_by_role("row").filter(has_text="H29.05")
    expect(row.get_by_text("03 Đã tiếp nhận")).to_be_visible()  # nobody loaded the page again
    expect(page.locator(".timeline")).to_contain_text("Vào sổ số 7")

    delivery = connector.send(sample_document(subject="Trả lời kế hoạch"))
    page.get_by_role("link", name="Gói tin", exact=True).click()
    page.get_by_label("Số ký hiệu, trích yếu").fill("tra loi KE hoach")
    expect(page.get_by_role("row")).to_have_count(2)  # with the row of headings
    page.get_by_role("link", name="Trả lời kế hoạch").click()
    page.get_by_role("button", name="Tiếp nhận (03)").click()
    expect(page.get_by_role("status")).to_have_text("G22: đã gửi trạng thái 03 Đã tiếp nhận.")
    assert list(connector.receive()) == []
    assert connector.delivery(delivery.id).recipient("G22").status is StatusCode.ACCEPTED

    page.get_by_text("Trạng thái gửi đi").first.click()
    page.get_by_role("combobox", name="Trạng thái gửi đi").select_option("05")
    page.get_by_role("button", name="Gửi trạng thái").click()
    expect(page.locator(".timeline")).to_contain_text("05 Đang xử lý")
    recall = page.get_by_role("region", name="Thu hồi văn bản")
    recall.get_by_label("Lý do").fill("Ban hành nhầm")
    recall.get_by_role("button").click()
    expect(page.locator(".timeline")).to_contain_text("Thu hồi")
    assert complaints == []


def test_the_page_speaks_english_and_remembers(page: Page, mock_hub: RunningHub, complaints: list[str]) -> None:
    """Language and appearance are chosen once, and kept from page to page."""
    page.goto(f"{mock_hub.url}/page/agencies?text=so")
    page.get_by_role("link", name="English").click()
    page.get_by_role("link", name="Dark").click()
    expect(page.get_by_role("heading", name="Agencies at the hub")).to_be_visible()
    assert page.url.endswith("/page/agencies?text=so")
    page.get_by_role("link", name="Compose").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert complaints == []


def test_everything_is_reached_by_keyboard(page: Page, mock_hub: RunningHub) -> None:
    """The first stop leads past the navigation, and a form is sent without a mouse."""
    page.goto(f"{mock_hub.url}/page/faults")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Đến nội dung chính")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.get_by_label("Loại lỗi").focus()
    page.keyboard.type("html")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Đã thêm lỗi.")
    ((_, fault, _),) = mock_hub.faults.list_pending()
    assert fault.kind == "html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_are_accessible_and_fit(
    page: Page, mock_hub: RunningHub, width: int, scheme: str, complaints: list[str]
) -> None:
    """axe finds nothing serious on any page, none is wider than the screen, and the console is silent."""
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 900})
    compose(page, mock_hub, number="13", subject="Rà soát thủ tục " * 9, sender="G22", to=["H29.05", "H30"])
    mock_hub.lock("H30")
    mock_hub.faults.add(Fault(kind="html", path="/sendEdoc"))
    packet = page.url.removeprefix(mock_hub.url)
    for path in (packet, *PAGES):
        page.goto(f"{mock_hub.url}{path}")
        assert find_barriers(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    page.get_by_role("link", name="Soạn văn bản").first.click()
    page.get_by_role("button", name="Gửi văn bản").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert find_barriers(page) == []
    assert [one for one in complaints if "422" not in one] == []  # the browser itself reports that status
