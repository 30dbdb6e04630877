"""The desk in a real browser: a document's life by two offices, accessibility, narrow and wide, light and dark."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import pytest
from tests.browser import expect, find_barriers

from edoc_connector.connector import DeliveryState
from edoc_connector.desk import documents, lists
from edoc_connector.edxml import SEAL_NAME, BusinessType, Document, Packet, ReceiverChange
from edoc_connector.errors import OutcomeUnknown
from edoc_connector.mockhub import Fault
from edoc_connector.testing import sample_document, sample_pdf
from edoc_connector.testing.office import MockOffice

if TYPE_CHECKING:
    from playwright.sync_api import FilePayload, Page
    from tests.desk.conftest import Running

    from edoc_connector.testing.hub import RunningHub

PASSWORD = "mật khẩu đủ dài 1"
LOOKS: tuple[tuple[int, Literal["light", "dark"]], ...] = ((390, "dark"), (1280, "light"))
PAGES = ("/", "/incoming", "/outgoing", "/compose", "/quarantine", "/status", "/account")


@pytest.fixture(autouse=True)
def quick_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages ask for their living part each second."""
    monkeypatch.setattr(documents, "_DOCUMENT_SECONDS", 1)
    monkeypatch.setattr(lists, "_LIST_SECONDS", 1)


@pytest.fixture
def enter(open_tab: Callable[[], Page]) -> Callable[[Running, str], Page]:
    """Signs somebody in at a desk, each with a browser of their own."""

    def sign_in(desk: Running, name: str) -> Page:
        page = open_tab()
        page.goto(f"{desk.url}/")
        page.get_by_label("Tên đăng nhập").fill(name)
        page.get_by_label("Mật khẩu").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Việc cần làm")).to_be_visible()
        return page

    return sign_in


def find_document(page: Page, desk: Running, subject: str) -> None:
    """Look for a document in the register of incoming ones, as it comes, and open it."""
    page.goto(f"{desk.url}/incoming")
    expect(page.get_by_role("link", name=subject).first).to_be_visible(timeout=60_000)
    page.get_by_role("link", name=subject).first.click()


def test_a_document_lives_between_two_offices(
    run: Callable[..., Running], enter: Callable[[Running, str], Page], complaints: list[str]
) -> None:
    """Composed and sent by a clerk, accepted by another's clerk and no officer; its recall agreed by a leader."""
    ours, theirs = run("H29.05"), run("G22")
    clerk = enter(ours, "van.thu")
    clerk.get_by_role("link", name="Soạn, gửi").first.click()
    clerk.get_by_label("Tìm nơi nhận").press_sequentially("van phong chinh")
    clerk.get_by_role("checkbox", name="G22 — Văn phòng Chính phủ").check()
    for label, value in (
        ("Số", "12"),
        ("Ký hiệu", "SNV-VP"),
        ("Trích yếu", "Kế hoạch năm 2027"),
        ("Người ký", "Ông A"),
    ):
        clerk.get_by_label(label, exact=True).fill(value)
    pdf: FilePayload = {"name": "kế-hoạch.pdf", "mimeType": "application/pdf", "buffer": sample_pdf(["KE HOACH"])}
    clerk.get_by_label("Tệp đính kèm").set_input_files([pdf])
    clerk.get_by_role("button", name="Ký số và gửi").click()
    expect(clerk.get_by_role("status")).to_have_text("Đã ký và xếp hàng gửi 12/SNV-VP.")
    expect(clerk.locator(".timeline")).to_contain_text("Trần Thị Văn Thư (van.thu)")

    officer = enter(theirs, "chuyen.vien")
    find_document(officer, theirs, "Kế hoạch năm 2027")
    expect(officer.get_by_text("Vai trò của bạn không có việc nào")).to_be_visible()
    expect(officer.get_by_role("link", name="kế-hoạch.pdf")).to_be_visible()
    receiver = enter(theirs, "van.thu")
    find_document(receiver, theirs, "Kế hoạch năm 2027")
    receiver.get_by_label("Lý do, ý kiến").fill("Vào sổ số 1")
    receiver.get_by_role("button", name="Tiếp nhận (03)").click()
    expect(receiver.get_by_role("status")).to_contain_text("Tiếp nhận")

    row = clerk.get_by_role("row").filter(has_text="G22")
    expect(row.get_by_text("03 Đã tiếp nhận")).to_be_visible(timeout=60_000)  # nobody loaded the page again
    clerk.get_by_label("Lý do, ý kiến").fill("Ban hành nhầm phụ lục")
    clerk.get_by_role("button", name="Thu hồi").click()
    expect(clerk.get_by_role("status")).to_contain_text("Thu hồi")
    leader = enter(theirs, "lanh.dao")
    leader.goto(f"{theirs.url}/incoming")
    request = leader.get_by_role("row").filter(has_text="Thu hồi")
    expect(request.get_by_role("link")).to_be_visible(timeout=60_000)
    request.get_by_role("link").click()
    leader.get_by_role("button", name="Đồng ý (15)", exact=True).click()
    expect(leader.get_by_role("status")).to_contain_text("Đồng ý")
    expect(row.get_by_text("đã đồng ý")).to_be_visible(timeout=60_000)
    assert complaints == []


def test_what_was_sent_is_updated_taken_back_and_replaced(
    run: Callable[..., Running], enter: Callable[[Running, str], Page], mock_hub: RunningHub, complaints: list[str]
) -> None:
    """A clerk corrects a document with what was sent filled in, asks for it back, and puts another in its place."""
    ours, partner = run("H29.05"), MockOffice(mock_hub, "G22")
    other = MockOffice(mock_hub, "H30.1", "Sở Tài chính").organization
    ours.connector.sync_directory()
    sent = ours.connector.send(sample_document(sender=ours.connector.settings.organization()))
    clerk = enter(ours, "van.thu")
    clerk.goto(f"{ours.url}/outgoing/1")
    clerk.get_by_role("button", name="Cập nhật").click()
    expect(clerk.get_by_role("heading", name=f"Cập nhật: {sent.code}")).to_be_visible()
    clerk.get_by_label("Trích yếu").fill("Kế hoạch đã sửa")
    clerk.get_by_label("Hoặc ghi mã nơi nhận").fill(other.id)
    clerk.get_by_role("button", name="Ký số và gửi").click()
    expect(clerk.get_by_text("Xin điền ô này.")).to_be_visible()  # why it is changed
    clerk.get_by_label("Lý do yêu cầu").fill("Sai phụ lục")
    clerk.get_by_role("button", name="Ký số và gửi").click()
    expect(clerk.get_by_role("heading", name="Kế hoạch đã sửa")).to_be_visible()

    clerk.goto(f"{ours.url}/outgoing/1")
    clerk.get_by_label("Lý do, ý kiến").fill("Gửi nhầm nơi")
    clerk.get_by_role("button", name="Lấy lại").click()
    expect(clerk.get_by_role("status")).to_contain_text("Lấy lại")
    wait_until(lambda: partner.list_statuses(sent.id) == ["13"])
    partner.refuse(sent.id, "Đã dùng để ban hành quyết định")
    row = clerk.get_by_role("row").filter(has_text="G22")
    expect(row.get_by_text("không đồng ý thay đổi")).to_be_visible(timeout=60_000)  # nobody loaded the page again

    clerk.goto(f"{ours.url}/outgoing/1")
    clerk.get_by_role("button", name="Thay thế").click()
    pdf: FilePayload = {"name": "mới.pdf", "mimeType": "application/pdf", "buffer": sample_pdf(["MOI"])}
    clerk.get_by_label("Tệp mới").set_input_files([pdf])
    for label, value in (("Số", "99"), ("Lý do yêu cầu", "Thay bằng văn bản mới")):
        clerk.get_by_label(label, exact=True).fill(value)
    clerk.get_by_role("button", name="Ký số và gửi").click()
    expect(clerk.get_by_role("status")).to_contain_text("99/")

    wait_until(lambda: len(partner.list_received()) == 3)
    first, update, replacement = partner.list_received()
    assert isinstance(first.message, Document)
    assert isinstance(update.message, Document)
    assert isinstance(replacement.message, Document)
    assert (update.message.business.type, update.message.business.document_id) == (BusinessType.UPDATE, sent.id)
    assert update.message.business.receivers == (ReceiverChange(organ_id=other.id, added=True),)
    assert list_names(update) == list_names(first)
    assert [one.document_id for one in replacement.message.business.replaces] == [sent.id]
    assert list_names(replacement) == ["mới.pdf"]
    assert [one for one in complaints if "422" not in one] == []  # the browser itself reports that status


def list_names(packet: Packet) -> list[str]:
    """List the names of a packet's files, without its seal."""
    return [one.name for one in packet.attachments if one.name != SEAL_NAME]


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_an_administrator_clears_up(
    run: Callable[..., Running], enter: Callable[[Running, str], Page], mock_hub: RunningHub, complaints: list[str]
) -> None:
    """What was set aside says why, and is looked at again; what is unknown is settled; each under the person's name."""
    ours = run("H29.05", web={"worker": False})
    MockOffice(mock_hub, "G22").send(subject="Không ký số")
    assert list(ours.connector.receive()) == []
    mock_hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    with pytest.raises(OutcomeUnknown):
        ours.connector.send(sample_document(subject="Chưa rõ đã tới"))
    administrator = enter(ours, "quan.tri")
    administrator.get_by_role("link", name="Cách ly").first.click()
    row = administrator.get_by_role("row").filter(has_text="Không ký số")
    expect(row).to_contain_text("chữ ký")
    row.get_by_role("button", name="Kiểm tra lại").click()
    expect(administrator.get_by_role("status")).to_contain_text("chữ ký")  # it is as it was

    administrator.goto(f"{ours.url}/")
    administrator.get_by_role("link", name="Chưa rõ đã tới").first.click()
    expect(administrator.get_by_text("Chưa rõ trục đã nhận hay chưa.")).to_be_visible()
    administrator.get_by_role("button", name="Trục đã có").click()
    expect(administrator.get_by_role("status")).to_contain_text("Trục đã có")
    expect(administrator.locator(".timeline")).to_contain_text("Vũ Quản Trị (quan.tri)")
    (delivery,) = ours.connector.deliveries()
    assert delivery.state is DeliveryState.SENT
    assert complaints == []


def test_pages_are_accessible_and_fit(
    run: Callable[..., Running], enter: Callable[[Running, str], Page], complaints: list[str]
) -> None:
    """axe finds nothing serious on any page, light and wide or dark and narrow; the console is silent."""
    desk = run()
    page = enter(desk, "van.thu")
    page.goto(f"{desk.url}/compose")
    for field, value in {
        "codes": "G22",
        "number": "13",
        "notation": "SNV",
        "subject": "Rà soát " * 20,
        "signer": "A",
    }.items():
        page.fill(f"#{field}", value)
    page.get_by_role("button", name="Ký số và gửi").click()
    document = page.url.removeprefix(desk.url)
    check_pages(page, desk, (document, f"{document}/update", *PAGES))
    page.goto(f"{desk.url}/compose")
    page.get_by_role("button", name="Ký số và gửi").click()
    expect(page.get_by_role("alert")).to_be_visible()
    administrator = enter(desk, "quan.tri")
    check_pages(administrator, desk, ("/people",))
    administrator.get_by_role("button", name="Đăng xuất").click()
    check_pages(administrator, desk, ("/sign-in",))
    assert [one for one in complaints if "422" not in one] == []  # the browser itself reports that status


def check_pages(page: Page, desk: Running, paths: tuple[str, ...]) -> None:
    """Have axe look at pages, and measure them, on a wide screen in light and on a narrow one in the dark."""
    for path in paths:
        page.goto(f"{desk.url}{path}")
        for width, scheme in LOOKS:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 900})
            assert find_barriers(page) == [], path
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
