"""The desk over a real socket: who gets in, what each role may do, and what stands in the evidence afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.connector import Connector
from edoc_connector.edxml import VIETNAM, Organization
from edoc_connector.testing import sample_document

if TYPE_CHECKING:
    from tests.desk.conftest import Running, Visitor

    from edoc_connector.config import Settings

Run = Callable[..., "Running"]
FORM = {
    "codes": "G22", "number": "12", "notation": "SNV-VP", "date": "2026-11-20", "subject": "Kế hoạch năm 2027",
    "type": "Kế hoạch", "signer": "Nguyễn Văn A", "place": "Hà Nội", "priority": "1",
}  # fmt: skip


def test_nobody_reads_without_signing_in(run: Run) -> None:
    """Every page leads to where one signs in, parts of pages too, and nothing of a document is said."""
    desk = run()
    with desk.visit() as stranger:
        for path in ("/", "/incoming", "/outgoing/1", "/registers/incoming.csv", "/people", "/status"):
            answer = stranger.client.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        part = stranger.client.get("/incoming", headers={"hx-request": "true"})
        assert (part.status_code, part.headers["hx-redirect"], part.content) == (204, "/sign-in", b"")
        assert stranger.client.post("/compose", data=FORM).headers["location"] == "/sign-in"


def test_signing_in_and_out(run: Run) -> None:
    """The cookie is for this site and no script; signed out, its secret is worth nothing."""
    desk = run()
    with desk.visit() as visitor:
        answer = visitor.try_password("van.thu", "mật khẩu đủ dài 1")
        cookie = next(one for one in answer.headers.get_list("set-cookie") if one.startswith("edoc-desk="))
        assert ("HttpOnly" in cookie, "SameSite=lax" in cookie, "Secure" in cookie) == (True, True, False)
        secret = visitor.client.cookies["edoc-desk"]
        assert "Trần Thị Văn Thư" in visitor.client.get("/").text
        visitor.post("/sign-out")
        visitor.client.cookies.set("edoc-desk", secret)
        assert visitor.client.get("/").headers["location"] == "/sign-in"


@pytest.mark.parametrize("name", ["van.thu", "nobody"])
def test_who_fails_too_often_waits(run: Run, name: str) -> None:
    """After five failures the right password is refused too, and the answer does not tell a name from no name."""
    desk = run()
    with desk.visit() as visitor:
        answers = [visitor.try_password(name, f"wrong {number}") for number in range(5)]
        answers.append(visitor.try_password(name, "mật khẩu đủ dài 1"))
        assert {one.status_code for one in answers} == {401}
        assert len({one.text.split("<form", 1)[0].split("card narrow")[1] for one in answers}) == 1
        assert visitor.try_password("lanh.dao", "mật khẩu đủ dài 1").status_code == 303


def test_who_guesses_the_old_password_waits(run: Run) -> None:
    """A session that somebody left open is no way to guess its password: tries count with those of signing in."""
    desk = run()
    old, new = "mật khẩu đủ dài 1", "mật khẩu khác đủ dài"
    with desk.sign_in("van.thu") as session, desk.visit() as visitor:
        assert visitor.try_password("van.thu", "wrong").status_code == 401
        guesses = [session.post("/account", old=f"wrong {number}", new=new) for number in range(4)]
        guesses.append(session.post("/account", old=old, new=new))
        assert {one.status_code for one in guesses} == {422}
        assert all("15 phút" in one.text for one in guesses)
        assert visitor.try_password("van.thu", new).status_code == 401
        assert visitor.try_password("van.thu", old).status_code == 401
    with desk.sign_in("lanh.dao") as other:
        assert other.post("/account", old="x" * 300, new=new).status_code == 422
        assert other.post("/account", old=old, new=new).headers["location"] == "/sign-in"


@pytest.mark.parametrize(
    ("headers", "token", "status"),
    [
        ({}, "", 422),
        ({}, "0" * 64, 422),
        ({"origin": "https://evil.example"}, None, 403),
        ({"host": "evil.example"}, None, 400),
    ],
)
def test_forms_of_other_sites_are_not_taken(run: Run, headers: dict[str, str], token: str | None, status: int) -> None:
    """A form needs the session's token, comes from this site, and the site has its own name (CSRF, DNS rebinding)."""
    desk = run()
    with desk.sign_in("van.thu") as clerk:
        real = clerk.read_token("/compose")
        form = FORM | {"token": real if token is None else token}
        assert clerk.client.post("/compose", data=form, headers=headers).status_code == status
        assert len(desk.connector.deliveries()) == 0


def test_a_token_of_another_session_is_not_taken(run: Run) -> None:
    """Somebody who may sign in themselves cannot make another one's browser act."""
    desk = run()
    with desk.sign_in("lanh.dao") as other, desk.sign_in("van.thu") as clerk:
        token = other.read_token("/account")
        assert clerk.client.post("/compose", data=FORM | {"token": token}).status_code == 422


@pytest.mark.parametrize(
    ("name", "status"), [("van.thu", 303), ("lanh.dao", 403), ("chuyen.vien", 403), ("quan.tri", 403)]
)
def test_only_a_clerk_sends(run: Run, name: str, status: int) -> None:
    """To send is to sign with the agency's key; the person stands in the timeline and in the evidence."""
    desk = run()
    with desk.sign_in(name) as visitor:
        assert visitor.post("/compose", **FORM).status_code == status
    sent = desk.connector.deliveries()
    assert [one.timeline[0].actor for one in sent] == (["Trần Thị Văn Thư (van.thu)"] if status == 303 else [])


def test_what_is_wrong_with_a_form_is_said_beside_it(run: Run) -> None:
    """Nothing is lost of what was typed, and nothing is sent."""
    desk = run()
    with desk.sign_in("van.thu") as clerk:
        answer = clerk.post("/compose", **FORM | {"subject": "", "date": "31/31", "codes": ""})
        assert (answer.status_code, answer.text.count('class="error"')) == (422, 3)
        assert "Nguyễn Văn A" in answer.text
        found = clerk.client.get("/compose/agencies", params={"find": "van phong"}).text
        assert "G22 — Văn phòng Chính phủ" in found


def test_a_document_that_was_sent_shows_where_it_stands(run: Run, settings: Callable[..., Settings]) -> None:
    """Undelivered until 01 comes, then with the recipient's own time beside ours (Decree 30/2020/NĐ-CP, Annex VI)."""
    desk = run(limits={"grace": 0.0, "backoff": 0.0, "arrival_within": 0.2})
    document_id = desk.connector.send(sample_document()).id
    with desk.sign_in("chuyen.vien") as officer:
        path = officer.client.get("/outgoing").text.split('class="main"', 1)[1].split('href="', 1)[1].split('"', 1)[0]
        officer.wait_for(path, "Chưa đến</span>")
        with Connector(settings("G22")) as partner:
            for receipt in partner.receive():
                with receipt:
                    pass
            partner.flush()
        page = officer.wait_for(path, "01 Đã đến</span>")
    assert "Chưa đến</span>" not in page
    stated = desk.connector.delivery(document_id).recipient("G22").time
    assert stated is not None
    recipients = page.split('aria-labelledby="recipients"', 1)[1].split("</section>", 1)[0]
    assert "Giờ nơi nhận báo" in recipients
    assert f"{stated.astimezone(VIETNAM):%d/%m/%Y %H:%M}" in recipients


def send_to_us(partner: Connector, number: str, subject: str = "Yêu cầu báo cáo") -> str:
    """Have the other agency send us a document; gives its id."""
    recipient = Organization(id="H29.05", name="Sở Nội vụ")
    sender = partner.settings.organization()
    return partner.send(sample_document(sender=sender, recipients=(recipient,), number=number, subject=subject)).id


def find_open(visitor: Visitor, text: str) -> str:
    """Wait for a document in the register of incoming ones; gives the address of its page."""
    page = visitor.wait_for(f"/incoming?text={text}", 'class="main"')
    return page.split('class="main"', 1)[1].split('href="', 1)[1].split('"', 1)[0]


def test_the_life_of_a_document_that_came_in(run: Run, settings: Callable[..., Settings]) -> None:
    """It is found without diacritics, accepted by a clerk and no other, and its recall is agreed to by a leader."""
    desk = run()
    with Connector(settings("G22")) as partner:
        document_id = send_to_us(partner, "99")
        with desk.sign_in("chuyen.vien") as officer:
            path = find_open(officer, "yeu+cau+bao")
            assert "Vai trò của bạn không có việc nào" in officer.client.get(path).text
            assert officer.post(path, act="accept").status_code == 403
        with desk.sign_in("van.thu") as clerk:
            assert clerk.post(path, act="reject").headers["location"] == path  # without a reason
            assert "message bad" in clerk.client.get(path).text
            assert clerk.post(path, act="accept", reason="Vào sổ số 1").headers["location"] == path
            assert "Trần Thị Văn Thư (van.thu)" in clerk.wait_for(path, "03 Đã tiếp nhận")
            partner.recall(document_id, reason="Ban hành nhầm")
            request = _wait_for_request(clerk)
            assert clerk.post(request, act="agree").status_code == 403
        with desk.sign_in("lanh.dao") as leader:
            assert f'href="{request}"' in leader.client.get("/").text  # it is to be done
            assert 'value="agree"' in leader.client.get(request).text
            leader.post(request, act="agree", reason="Nhất trí")
            leader.wait_for(request, "Lê Lãnh Đạo (lanh.dao)</b> 15 Đồng ý")
            assert 'value="agree"' not in leader.client.get(request).text
            assert f'href="{request}"' not in leader.client.get("/").text
    (first,) = desk.connector.register("incoming").entries
    assert (first.number, first.remarks.vi) == (1, "đã thu hồi")


def _wait_for_request(visitor: Visitor) -> str:
    page = visitor.wait_for("/incoming", "Thu hồi</span>")
    return page.split("Thu hồi</span>", 1)[1].split('href="', 1)[1].split('"', 1)[0]


def test_files_are_opened_and_registers_taken_away(run: Run, settings: Callable[..., Settings]) -> None:
    """A PDF opens in the browser, the packet is saved, and the register comes as CSV and as a workbook."""
    desk = run()
    with Connector(settings("G22")) as partner, desk.sign_in("chuyen.vien") as officer:
        send_to_us(partner, "98")
        path = find_open(officer, "98")
        page = officer.client.get(path).text
        file = officer.client.get(f"{path}/files/0")
        assert f'href="{path}/files/0"' in page
        assert (file.status_code, file.headers["x-content-type-options"]) == (200, "nosniff")
        assert officer.client.get(f"{path}/files/7").status_code == 404
        assert b"<" in officer.client.get(f"{path}/packet.edxml").content[:1]
        assert officer.client.get("/registers/incoming.csv").content.startswith(b"\xef\xbb\xbf")
        assert officer.client.get("/registers/incoming.xlsx").content.startswith(b"PK")
        assert officer.client.get("/registers/incoming.exe").status_code == 404


def test_people_are_managed_by_administrators(run: Run) -> None:
    """A new role ends the sessions of who had another one; nobody changes themselves; all of it is evidence."""
    desk = run()
    with desk.sign_in("quan.tri") as administrator, desk.sign_in("chuyen.vien") as officer:
        assert officer.client.get("/people").status_code == 403
        added = administrator.post(
            "/people", act="add", name="moi", full_name="Người Mới", role="clerk", password="mật khẩu đủ dài 1"
        )
        assert added.status_code == 303
        administrator.post("/people", act="change", name="chuyen.vien", role="leader")
        assert officer.client.get("/").headers["location"] == "/sign-in"
        administrator.post("/people", act="remove", name="quan.tri")
        assert "Vũ Quản Trị" in administrator.client.get("/people").text
        assert administrator.post("/people", act="add", name="A B", full_name="x", role="clerk").status_code == 422
        assert "CHK-" in administrator.client.get("/status").text


def test_a_proxy_says_who_somebody_is(run: Run) -> None:
    """Only from its address and with its secret; everybody else is nobody, whatever they claim."""
    web: dict[str, Any] = {
        "proxies": ["127.0.0.1/32"], "url": "https://desk.example.gov.vn", "user_header": "X-Remote-User",
        "proxy_secret": "file:secret",
    }  # fmt: skip
    desk = run(web=web)
    right = {"x-remote-user": "van.thu", "x-edoc-proxy-secret": "secret-H29.05", "host": "desk.example.gov.vn"}
    with desk.visit() as visitor:
        assert "Trần Thị Văn Thư" in visitor.client.get("/", headers=right).text
        for changed in ({"x-edoc-proxy-secret": "wrong"}, {"x-remote-user": "stranger"}, {"x-edoc-proxy-secret": ""}):
            assert visitor.client.get("/", headers=right | changed).status_code == 403
    with run("G22", web={"proxies": ["10.0.0.1/32"], "url": "https://desk.example.gov.vn"}).visit() as stranger:
        assert stranger.client.get("/sign-in").status_code == 403


def test_what_no_browser_sends_is_answered_in_words(run: Run) -> None:
    """A form of signing out that is too large, and a page that says it comes from no address, are refused."""
    with run().visit() as stranger:
        large = stranger.client.post("/sign-out", data={"token": "x" * 70_000})
        odd = stranger.client.post("/sign-in", data={"token": "x"}, headers={"origin": "http://["})
    assert (large.status_code, odd.status_code) == (413, 403)


def test_a_recheck_that_fails_leads_to_what_is_set_aside(run: Run, settings: Callable[..., Settings]) -> None:
    """The reader is led to a page that is there, and that says why nothing was done."""
    desk = run()
    with Connector(settings("G22")) as other, desk.sign_in("van.thu") as clerk:
        send_to_us(other, "7816")
        path = find_open(clerk, "7816")
        answer = clerk.post(path.replace("/incoming/", "/quarantine/") + "/recheck")
        assert (answer.status_code, answer.headers["location"]) == (303, "/quarantine")
        assert clerk.client.get("/quarantine").status_code == 200


@pytest.mark.parametrize("charset", ["utf-7", "raw_unicode_escape", "idna", "hex", "utf-16"])
def test_a_form_in_an_encoding_that_writes_no_text_is_refused(run: Run, charset: str) -> None:
    """A form names its own encoding: one that makes half of a surrogate pair is answered 4xx, and nothing is done."""
    text = {"utf-7": "+2AA-", "raw_unicode_escape": "\\ud800"}.get(charset, "\xff\xfe")
    part = f'--b\r\nContent-Disposition: form-data; name="token"\r\n\r\n{text}\r\n--b--\r\n'.encode("latin-1")
    kind = f"multipart/form-data; boundary=b; charset={charset}"
    with run().visit() as stranger:
        answer = stranger.client.post(
            "/sign-in", content=part, headers={"content-type": kind, "cookie": "edoc-desk-entry=x"}
        )
    assert answer.status_code in (400, 422)
