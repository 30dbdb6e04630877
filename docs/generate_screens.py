"""Make the pictures of the mock hub's page anew: python docs/generate_screens.py (extra dev, and Debian's chromium)."""

from __future__ import annotations

import base64
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from edoc_connector.mockhub import Fault, MockHubConfig
from edoc_connector.testing import sample_pdf
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.inspection import inspect_packet

FOLDER = Path(__file__).parent / "screens"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
AGENCIES = {"H29.05": "Sở Nội vụ", "G22": "Văn phòng Chính phủ", "H30": "UBND tỉnh Hà Nam", "H30.12": "Sở Tài chính"}
DOCUMENTS = (
    ("7816", "V/v triển khai kết nối, liên thông văn bản điện tử", ["G22", "H30"], "accept", ""),
    ("7817", "Kế hoạch cải cách hành chính năm 2027", ["G22"], "reject", "Sai thẩm quyền"),
    ("7818", "Báo cáo rà soát thủ tục hành chính quý IV", ["H30", "H30.12"], "accept", ""),
)
SHOTS = (
    ("packets", "/", "light", 1280), ("packet", "{first}", "light", 1280), ("compose", "/page/compose", "light", 1280),
    ("packets", "/", "dark", 390), ("packet", "{first}", "dark", 1280), ("compose", "/page/compose", "dark", 390),
)  # fmt: skip


def compose(page: Page, url: str, number: str, subject: str, to: list[str]) -> str:
    """Send a document by the page's form; gives the address of its page."""
    page.goto(f"{url}/page/compose")
    page.select_option("#sender", "H29.05")
    for code in to:
        page.check(f"input[name=to][value='{code}']")
    for name, value in {"number": number, "notation": "SNV-VP", "subject": subject}.items():
        page.fill(f"#{name}", value)
    pdf = {"name": "cong-van.pdf", "mimeType": "application/pdf", "buffer": sample_pdf(["CONG VAN"])}
    page.set_input_files("#files", [pdf])
    page.click("main form .buttons button")
    return page.url


def take(page: Page, path: Path) -> None:
    """Take a picture of what the window shows, as WebP."""
    session = page.context.new_cdp_session(page)
    shot = session.send("Page.captureScreenshot", {"format": "webp", "quality": 75})
    path.write_bytes(base64.b64decode(shot["data"]))


def main() -> None:
    """Play a little on a hub, and take the pictures."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        config = MockHubConfig(data=Path(folder), inspector=inspect_packet)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        with RunningHub(config) as hub:
            for code, name in AGENCIES.items():
                hub.add_agency(code, f"secret-{code}", name)
            page = browser.new_page()
            for number, subject, to, action, reason in DOCUMENTS:
                compose(page, hub.url, number, subject, to)
                page.fill("#reason", reason)
                page.click(f"button[value={action}]")
            hub.faults.add(Fault(kind="html", path="/v1/getEdoc"))
            first = f"/page/packets/{hub.packets()[0].packet.id}"
            for name, path, scheme, width in SHOTS:
                size = {"width": width, "height": 860 if width > 400 else 844}
                view = browser.new_page(viewport=size, color_scheme=scheme)
                view.goto(hub.url + path.format(first=first))
                take(view, FOLDER / f"{name}-{scheme}-{width}.webp")
                view.close()
        browser.close()


if __name__ == "__main__":
    main()
