"""Errors as problem documents, ETags, pages, keys and limits, as a client sees them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.gateway import PROBLEM_TYPES, add_key, list_keys, revoke_key, rotate_key

if TYPE_CHECKING:
    from tests.gateway.conftest import Running


def test_an_error_is_a_problem_in_both_languages(gateway: Running) -> None:
    """RFC 9457: type, title, status, detail, and ours: code, next step, every field, each in English and Vietnamese."""
    answer = gateway.client.post(gateway.base + "/documents", json=gateway.compose(subject=""))
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    problem = answer.json()
    assert (problem["code"], problem["type"]) == ("invalid-document", "urn:edoc-connector:problem:invalid-document")
    assert problem["problems"][0]["field"] == "subject"
    assert all(problem[name] and problem[name + "_vi"] for name in ("title", "detail", "next_step"))


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/v1/agencies/G22/deliveries", None, 403, "not-allowed"),
        ("GET", "/v1/agencies/H29.05/deliveries/bm9uZQ", None, 404, "not-found"),
        ("GET", "/v1/agencies/H29.05/deliveries/%21", None, 404, "not-found"),
        ("GET", "/v1/agencies/H29.05/receipts/99", None, 404, "not-found"),
        ("GET", "/v1/agencies/H29.05/deliveries?after=none", None, 422, "invalid-query"),
        ("GET", "/v1/agencies/H29.05/deliveries?limit=0", None, 422, "invalid-request"),
        ("GET", "/v1/agencies/H29.05/deliveries?since=1700000000", None, 422, "invalid-request"),
        ("GET", "/v1/agencies/H29.05/deliveries?since=2026-11-20T08:00", None, 422, "invalid-request"),
        ("GET", "/v1/agencies/H29.05/changes?after=99999999999", None, 422, "invalid-query"),
        ("POST", "/v1/agencies/H29.05/documents", {"number": 1}, 422, "invalid-request"),
        ("GET", "/nothing", None, 404, "no-such-call"),
        ("DELETE", "/v1/agencies", None, 405, "wrong-method"),
    ],
)
def test_each_refusal_has_its_code(gateway: Running, method: str, path: str, body: Any, status: int, code: str) -> None:
    """What cannot be is refused with the status and the code of the table."""
    answer = gateway.client.request(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_key_is_needed(gateway: Running) -> None:
    """No key, a wrong one and one that was revoked get 401; the key's hash is all that the store has."""
    stores = [("H29.05", gateway.office.store)]
    key = add_key(stores, name="Tạm")
    calls = {"right": key.token, "wrong": key.token[:-1] + ("A" if key.token[-1] != "A" else "B"), "none": "x"}
    found = {name: ask(gateway, token).status_code for name, token in calls.items()}
    assert found == {"right": 200, "wrong": 401, "none": 401}
    revoke_key(stores, key.key_id)
    refused = ask(gateway, key.token)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    folder = gateway.office.store.folder
    assert folder is not None
    assert not any(key.token.encode() in file.read_bytes() for file in folder.glob("edoc.db*"))


def test_a_key_is_rotated_with_an_overlap(gateway: Running) -> None:
    """Old and new key are both taken for a while; then only the new one. When each was last used is known."""
    stores = [("H29.05", gateway.office.store)]
    old = add_key(stores, name="DMS")
    new = rotate_key(stores, old.key_id, overlap=timedelta(hours=1))
    assert [ask(gateway, one.token).status_code for one in (old, new)] == [200, 200]
    newest = rotate_key(stores, new.key_id, overlap=timedelta())
    assert [ask(gateway, one.token).status_code for one in (old, new, newest)] == [200, 401, 200]
    assert {one.key_id for one in list_keys(stores) if one.last_used_at is not None} >= {old.key_id, newest.key_id}


def ask(gateway: Running, token: str) -> Any:
    """Ask for the deliveries with another key."""
    return gateway.client.get(gateway.base + "/deliveries", headers={"Authorization": f"Bearer {token}"})


def test_each_key_has_a_limit_of_its_own(run: Callable[..., Running]) -> None:
    """One request too many is 429 with Retry-After; another key is not concerned."""
    gateway = run(gateway={"rate": 1, "burst": 3})
    answers = [gateway.client.get(gateway.base + "/deliveries") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[3].headers["retry-after"]) == answers[3].json()["retry_after"] <= 60
    assert ask(gateway, add_key([("H29.05", gateway.office.store)], name="other").token).status_code == 200


def test_a_body_that_is_too_large_is_refused(run: Callable[..., Running]) -> None:
    """JSON, forms and numbers of files have limits; what is too much is 413, and nothing stays behind."""
    gateway = run(gateway={"max_json": 4096, "max_upload": 20_000, "max_files": 1, "worker": False})
    large = gateway.client.post(gateway.base + "/documents", json=gateway.compose(content="x" * 3900))
    form = gateway.send_form(gateway.compose(attachments=[]), {"a.bin": b"x" * 30_000})
    many = gateway.send_form(gateway.compose(attachments=[]), {"a.bin": b"x", "b.bin": b"x"})
    chunked = gateway.client.post(
        gateway.base + "/documents", content=iter([b" " * 3000] * 3), headers={"content-type": "application/json"}
    )
    assert [one.status_code for one in (large, form, many, chunked)] == [413] * 4
    assert gateway.client.get(gateway.base + "/deliveries").json()["items"] == []


def test_the_same_key_and_content_get_the_same_answer(gateway: Running) -> None:
    """A repeated request gets the same answer, as JSON or as a form; other content under its key is 422."""
    headers = {"Idempotency-Key": "order-1"}
    first = gateway.client.post(gateway.base + "/documents", json=gateway.compose(), headers=headers)
    again = gateway.client.post(gateway.base + "/documents", json=gateway.compose(), headers=headers)
    assert (first.status_code, again.status_code, again.text) == (201, 201, first.text)
    assert again.headers["idempotency-replayed"] == "true"
    other = gateway.client.post(gateway.base + "/documents", json=gateway.compose("9"), headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert len(gateway.client.get(gateway.base + "/deliveries").json()["items"]) == 1


def test_a_request_that_failed_frees_its_key(gateway: Running) -> None:
    """What was refused had no effect: corrected, it may come under the same key."""
    headers = {"Idempotency-Key": "order-2"}
    wrong = gateway.client.post(gateway.base + "/documents", json=gateway.compose(subject=""), headers=headers)
    right = gateway.client.post(gateway.base + "/documents", json=gateway.compose(), headers=headers)
    assert (wrong.status_code, right.status_code) == (422, 201)


def test_an_upload_that_breaks_off_is_sent_again(gateway: Running) -> None:
    """A form that is cut short stores nothing; sent again under its key, the document goes out once."""
    headers = {"Idempotency-Key": "order-3"}
    document = json.dumps(gateway.compose(attachments=[]))
    start = f'--cut\r\nContent-Disposition: form-data; name="document"\r\n\r\n{document}\r\n--cut\r\n'.encode()
    kind = {"content-type": "multipart/form-data; boundary=cut"}
    cut = gateway.client.post(gateway.base + "/documents/form", content=start, headers=headers | kind)
    assert cut.status_code == 422
    sent = [gateway.send_form(json.loads(document), {"a.bin": b"x"}, **headers) for _ in range(2)]
    assert [one.status_code for one in sent] == [201, 201]
    assert sent[0].text == sent[1].text


def test_an_unchanged_answer_is_not_sent_again(gateway: Running) -> None:
    """With If-None-Match an answer that did not change is 304, and a file too; a file comes in ranges."""
    receipt = gateway.receive(gateway.letter())
    page = gateway.client.get(gateway.base + "/receipts")
    path = f"{gateway.base}/receipts/{receipt['id']}/attachments/0"
    whole = gateway.client.get(path)
    part = gateway.client.get(path, headers={"Range": "bytes=5-9", "If-Range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole.content[5:10])
    assert whole.headers["content-disposition"].startswith("attachment")
    for address, answer in ((gateway.base + "/receipts", page), (path, whole)):
        tag = {"If-None-Match": answer.headers["etag"]}
        assert gateway.client.get(address, headers=tag).status_code == 304


def test_lists_are_walked_through_by_cursor(gateway: Running) -> None:
    """Pages of one follow each other, and the feed of changes ends where it is asked again."""
    for number in ("1", "2", "3"):
        gateway.client.post(gateway.base + "/documents", json=gateway.compose(number))
    codes, after = [], None
    while True:
        query = {"limit": 1} | ({"after": after} if after else {})
        page = gateway.client.get(gateway.base + "/deliveries", params=query).json()
        codes += [one["code"] for one in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert codes == ["3/SNV-VP", "2/SNV-VP", "1/SNV-VP"]
    first = gateway.client.get(gateway.base + "/changes", params={"limit": 2}).json()
    assert (len(first["items"]), first["more"]) == (2, True)
    rest = gateway.client.get(gateway.base + "/changes", params={"after": first["next"]}).json()
    numbers = [one["id"] for one in first["items"] + rest["items"]]
    assert numbers == sorted(set(numbers))


def test_the_directory_is_searched_without_diacritics(gateway: Running) -> None:
    """People look for "van phong" and mean Văn phòng."""
    gateway.office.connector.sync_directory()
    found = gateway.client.get(gateway.base + "/directory", params={"q": "van PHONG chinh"}).json()
    assert [one["code"] for one in found["items"]] == ["G22"]
    assert gateway.client.get(gateway.base + "/directory", params={"q": "không có"}).json()["items"] == []


def test_health_needs_no_key(gateway: Running) -> None:
    """A monitor asks whether the process lives and the stores answer."""
    assert gateway.client.get("/livez", headers={"Authorization": ""}).json()["status"] == "ok"
    assert gateway.client.get("/readyz").json() == {"status": "ok", "agencies": {"H29.05": True}}
    assert gateway.client.get("/v1/agencies").json()["items"] == [{"id": "H29.05", "name": "Sở Nội vụ"}]


def test_the_table_of_problems_is_whole() -> None:
    """Each kind of problem has a code, a title and a next step in both languages."""
    kinds = PROBLEM_TYPES.values()
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert all(kind.title.en and kind.title.vi and kind.next_step.en and kind.next_step.vi for kind in kinds)
