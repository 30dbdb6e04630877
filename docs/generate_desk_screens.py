"""Make the pictures of the desk anew: python docs/generate_desk_screens.py (extra dev, and Debian's chromium)."""

from __future__ import annotations

import base64
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from edoc_connector.config import Settings
from edoc_connector.connector import Connector
from edoc_connector.desk import Desk, Role, add_person
from edoc_connector.edxml import Organization
from edoc_connector.mockhub import MockHubConfig
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.keys import agency_keys

FOLDER = Path(__file__).parent / "screens"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
NAMES = {"H29.05": "Sở Nội vụ", "G22": "Văn phòng Chính phủ"}
PASSWORD = "chỉ dùng cho ảnh chụp"  # noqa: S105  of a store that is thrown away
PEOPLE = (("van.thu", "Trần Thị Mai", Role.CLERK), ("quan.tri", "Vũ Văn Nam", Role.ADMINISTRATOR))
SENT = (
    ("7816", "V/v triển khai kết nối, liên thông văn bản điện tử"),
    ("7817", "Kế hoạch cải cách hành chính năm 2027"),
)
RECEIVED = (
    ("214", "Yêu cầu báo cáo tình hình xử lý văn bản điện tử quý IV"),
    ("215", "V/v rà soát thủ tục hành chính"),
)
SHOTS = (
    ("desk-home", "van.thu", "/", "light", 1280), ("desk-incoming", "van.thu", "/incoming", "light", 1280),
    ("desk-document", "van.thu", "{document}", "light", 1280), ("desk-compose", "van.thu", "/compose", "dark", 1280),
    ("desk-incoming", "van.thu", "/incoming", "dark", 390), ("desk-document", "van.thu", "{document}", "light", 390),
)  # fmt: skip


def make_settings(folder: Path, hub: RunningHub, agency: str) -> Settings:
    """Make the settings of an agency, whose store is thrown away."""
    folder.mkdir()
    (folder / "secret").write_text(f"secret-{agency}")
    (folder / "secret").chmod(0o600)
    keys = agency_keys(NAMES[agency], organ_id=agency, kind="p256")
    return Settings.of(
        {
            "agency": {"id": agency, "name": NAMES[agency]},
            "hub": {"endpoint": hub.url, "system_id": agency, "secret": "file:secret"},
            "signing": {"key": keys.write_pem(folder / "key.pem")},
            "receive": {"policy": "trusted", "trust": [str(keys.write_root(folder / "root.pem"))]},
            "limits": {"grace": 0.0},
            "worker": {"poll": 0.3, "idle": 0.1},
        },
        folder=folder,
    )


@contextmanager
def serve(settings: Settings) -> Iterator[str]:
    """Serve a desk in a thread; gives its address."""
    desk, ready = Desk(settings, port=0), threading.Event()
    thread = threading.Thread(target=desk.serve, args=(lambda _: ready.set(),))
    thread.start()
    ready.wait(60)
    try:
        yield desk.url
    finally:
        desk.stop()
        thread.join()


def exchange(ours: Connector, partner: Connector) -> None:
    """Send documents both ways, and have some answered."""
    us, them = (Organization(id=code, name=name) for code, name in NAMES.items())
    today = datetime.now(UTC).date()
    for number, subject in SENT:
        ours.queue(sample_document(sender=us, recipients=(them,), number=number, subject=subject, issued_on=today))
    ours.flush()
    for number, subject in RECEIVED:
        partner.send(
            sample_document(
                sender=them, recipients=(us,), number=number, notation="VPCP-HC", subject=subject, issued_on=today
            )
        )
    for receipt in partner.receive():
        with receipt:
            receipt.accept("Vào sổ số 12")


def sign_in(browser: Browser, url: str, name: str, *, scheme: str = "light", width: int = 1280) -> Page:
    """Sign in with a browser of one's own."""
    size = {"width": width, "height": 860 if width > 400 else 844}
    page = browser.new_page(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{url}/sign-in")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.click("main form button")
    return page


def take(page: Page, path: Path) -> None:
    """Take a picture of what the window shows, as WebP."""
    session = page.context.new_cdp_session(page)
    shot = session.send("Page.captureScreenshot", {"format": "webp", "quality": 75})
    path.write_bytes(base64.b64decode(shot["data"]))


def main(folder: Path = FOLDER) -> None:
    """Play a little between two agencies, and take the pictures."""
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright, ExitStack() as stack:
        hub = stack.enter_context(RunningHub(MockHubConfig(data=Path(scratch) / "hub")))
        for code, name in NAMES.items():
            hub.add_agency(code, f"secret-{code}", name)
        settings = {code: make_settings(Path(scratch) / code, hub, code) for code in NAMES}
        ours = stack.enter_context(Connector(settings["H29.05"]))
        exchange(ours, stack.enter_context(Connector(settings["G22"])))
        ours.sync_directory()
        for name, full_name, role in PEOPLE:
            add_person(ours.context.store, "H29.05", name, full_name=full_name, role=role, password=PASSWORD)
        url = stack.enter_context(serve(settings["H29.05"]))
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        clerk = sign_in(browser, url, "van.thu")
        clerk.goto(f"{url}/incoming")
        clerk.get_by_role("link", name=RECEIVED[0][1]).wait_for()
        clerk.get_by_role("link", name=RECEIVED[0][1]).click()
        clerk.fill("#reason", "Vào sổ số 1")
        clerk.click("button[value=accept]")
        document = clerk.url.removeprefix(url)
        for name, who, path, scheme, width in SHOTS:
            page = sign_in(browser, url, who, scheme=scheme, width=width)
            page.goto(url + path.format(document=document))
            take(page, folder / f"{name}-{scheme}-{width}.webp")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
