"""A document and its statuses over the interface, as a client of another language sees them."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING

from edoc_connector.testing import sample_pdf

if TYPE_CHECKING:
    from tests.gateway.conftest import Running


def test_a_document_goes_out_and_its_status_comes_back(gateway: Running) -> None:
    """A document in JSON is stored at once and sent by the worker; the recipient's codes are in the delivery."""
    answer = gateway.client.post(gateway.base + "/documents", json=gateway.compose())
    assert answer.status_code == 201, answer.text
    delivery = answer.json()
    assert delivery["state"] in {"ready", "sending", "sent"}  # a worker is beside it
    assert answer.headers["location"] == f"{gateway.base}/deliveries/{delivery['id']}"
    gateway.wait_for(f"/deliveries/{delivery['id']}", lambda found: found["state"] == "sent")
    for receipt in gateway.partner.receive():
        with receipt:
            assert receipt.document.subject == "V/v kết nối, liên thông văn bản"
        receipt.accept()
    found = gateway.wait_for(f"/deliveries/{delivery['id']}", lambda found: found["recipients"][0]["status"] == "03")
    assert [entry["state"] for entry in found["timeline"]] == ["ready", "sending", "sent", "01", "03"]
    story = gateway.client.get(f"{gateway.base}/deliveries/{delivery['id']}/explanation").json()
    assert story["title_vi"].startswith("Văn bản đi 7816/SNV-VP")


def test_a_form_with_files_is_the_same_document(gateway: Running) -> None:
    """Files as parts of a form arrive whole, under Vietnamese names, in the order of the document."""
    pdf, other = sample_pdf(["A"]), b"x" * 3_000_000
    document = gateway.compose(attachments=[{"name": "Phụ lục.bin", "description": "bảng"}])
    answer = gateway.send_form(document, {"Công văn.pdf": pdf, "Phụ lục.bin": other})
    assert answer.status_code == 201, answer.text
    gateway.wait_for(f"/deliveries/{answer.json()['id']}", lambda found: found["state"] == "sent")
    receipt = next(iter(gateway.partner.receive()))
    with receipt:
        first, second = receipt.attachments
        assert (first.name, first.description) == ("Phụ lục.bin", "bảng")
        assert b"".join(first.pieces()) == other
        assert (second.name, b"".join(second.pieces())) == ("Công văn.pdf", pdf)


def test_a_document_comes_in_and_is_accepted(gateway: Running) -> None:
    """What waits is read, its files fetched, then handled and accepted; the sender learns 01 and 03."""
    receipt = gateway.receive(gateway.letter())
    path = f"{gateway.base}/receipts/{receipt['id']}"
    detail = gateway.client.get(path).json()
    assert detail["document"]["subject"] == "V/v kết nối, liên thông văn bản"
    assert detail["verification"]["status"] == "VALID"
    file = gateway.client.get(detail["attachments"][0]["href"])
    assert file.content == sample_pdf(["CONG VAN 7816/SNV-VP"])
    assert gateway.client.post(path + "/statuses", json={"code": "03"}).json()["code"] == "not-now"
    assert gateway.client.post(path + "/handled").json()["status"] == "01"
    assert gateway.client.post(path + "/handled").status_code == 200
    assert gateway.client.post(path + "/statuses", json={"code": "03"}).status_code == 201
    gateway.wait_for(f"/receipts/{receipt['id']}/explanation", lambda story: "03" in json.dumps(story))
    document_id = detail["document_id"]

    def reported(_: object) -> bool:
        list(gateway.partner.receive())
        return gateway.partner.delivery(document_id).recipients[0].status == "03"

    gateway.wait_for("/receipts", reported)


def test_changes_of_a_document_go_out(gateway: Running) -> None:
    """A document that was sent is updated, replaced, recalled and taken back; each waits for no hub."""
    sent = gateway.client.post(gateway.base + "/documents", json=gateway.compose()).json()
    path = f"/deliveries/{sent['id']}"
    gateway.wait_for(path, lambda found: found["state"] == "sent")
    update = gateway.compose(
        subject="V/v đính chính", update={"document_id": sent["document_id"], "reason": "Sửa lỗi chính tả"}
    )
    assert gateway.client.post(gateway.base + "/documents", json=update).json()["kind"] == "update"
    replacement = gateway.compose("7900", replace={"document_ids": [sent["document_id"]], "reason": "Thay thế toàn bộ"})
    assert gateway.client.post(gateway.base + "/documents", json=replacement).json()["kind"] == "replace"
    recall = gateway.client.post(gateway.base + path + "/recall", json={"reason": "Gửi nhầm"})
    assert (recall.status_code, recall.json()["targets"]) == (201, [sent["document_id"]])
    other = gateway.client.post(gateway.base + "/documents", json=gateway.compose("7901")).json()
    gateway.wait_for(f"/deliveries/{other['id']}", lambda found: found["state"] == "sent")
    taken = gateway.client.post(f"{gateway.base}/deliveries/{other['id']}/take-back", json={"reason": "Nhầm nơi nhận"})
    assert taken.json()["recipients"][0]["change"] == "asked"


def test_a_request_to_withdraw_is_answered(gateway: Running) -> None:
    """A recall of a document that came in is answered with 15, on the packet that asks."""
    letter = gateway.letter()
    receipt = gateway.receive(letter)
    gateway.client.post(f"{gateway.base}/receipts/{receipt['id']}/handled")
    gateway.partner.recall(letter.id, reason="Gửi nhầm")
    page = gateway.wait_for("/receipts?kind=recall", lambda page: page["items"])
    path = f"{gateway.base}/receipts/{page['items'][0]['id']}"
    gateway.client.post(path + "/handled")
    answered = gateway.client.post(path + "/statuses", json={"code": "15"})
    assert answered.status_code == 201, answered.text
    assert gateway.client.get(f"{gateway.base}/receipts/{receipt['id']}").json()["withdrawn"]


def test_the_evidence_is_a_pack_that_checks(gateway: Running) -> None:
    """The pack of a document is a zip with its packet, and has an ETag."""
    sent = gateway.client.post(gateway.base + "/documents", json=gateway.compose()).json()
    answer = gateway.client.get(f"{gateway.base}/deliveries/{sent['id']}/evidence")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["etag"]
    assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None
