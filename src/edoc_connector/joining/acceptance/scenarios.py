"""The scenarios of an acceptance run, as a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..._core import Text
from . import change_lines, connection_lines, fault_lines, proof_lines, sending_lines, status_lines
from .scene import Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One line of an acceptance run.

    Args:
        id: A1 to G2.
        title: what is tried.
        rule: the rule that it comes from.
        run: tries it.
    """

    id: str
    title: Text
    rule: str
    run: Callable[[Scene], None] = field(repr=False)


_ANNEX = "Nghị định 30/2020/NĐ-CP, Phụ lục VI"
_28 = "Quyết định 28/2018/QĐ-TTg"
_QCVN = "QCVN 102:2016/BTTTT (sửa đổi 1:2022)"


def _line(id_: str, rule: str, run: Callable[[Scene], None], en: str, vi: str) -> Scenario:
    return Scenario(id=id_, title=Text(en, vi), rule=rule, run=run)


SCENARIOS: tuple[Scenario, ...] = (
    _line("A1", f"{_ANNEX}, III.2", connection_lines.check_clock,
          "the clock is within 2 minutes of the hub's", "đồng hồ lệch không quá 2 phút so với trục"),
    _line("A2", f"{_ANNEX}, III.2", connection_lines.check_tls,
          "the connection is by TLS", "kết nối qua TLS"),
    _line("A3", f"{_ANNEX}, III.2", connection_lines.check_login,
          "login or HMAC is right", "đăng nhập hoặc HMAC đúng"),
    _line("A4", f"{_ANNEX}, III.2", connection_lines.check_wrong_secret,
          "a wrong secret is refused, and seen as such", "mã bí mật sai bị từ chối và được nhận biết đúng"),
    _line("A5", f"{_ANNEX}, III.2", connection_lines.check_own_code,
          "our code is in the directory", "mã định danh của đơn vị có trong danh bạ"),
    _line("A6", f"{_ANNEX}, III.2; Quyết định 20/2020/QĐ-TTg", connection_lines.check_directory,
          "the directory is read, both forms of codes", "đọc được danh bạ, cả hai dạng mã"),
    _line("B1", f"{_28}; {_QCVN}", sending_lines.send_one,
          "new document, one recipient, one signed PDF: the same bytes arrive",
          "văn bản mới, một nơi nhận, một PDF đã ký: đến nơi đúng từng byte"),
    _line("B2", _QCVN, sending_lines.send_large,
          "2 recipients, 3 attachments, Vietnamese file names, a large packet",
          "2 nơi nhận, 3 tệp đính kèm, tên tệp tiếng Việt, gói tin lớn"),
    _line("B3", f"{_ANNEX}, III.1 d", sending_lines.send_urgent,
          "urgent, due date, reply to an earlier document", "văn bản khẩn, có hạn trả lời, phúc đáp văn bản trước"),
    _line("B4", f"{_ANNEX}, phần II", sending_lines.send_extremes,
          "no attachment, empty optional fields, longest fields",
          "không tệp đính kèm, trường tùy chọn để trống, trường dài nhất"),
    _line("B5", f"{_ANNEX}, III.1 h", sending_lines.send_twice,
          "the same DocumentId twice: one; the same number under another DocumentId: a warning",
          "trùng mã văn bản: chỉ một; trùng số, ký hiệu nhưng khác mã văn bản: có cảnh báo"),
    _line("C1", f"{_ANNEX}, III.1 e, k", status_lines.see_arrival,
          "01 by itself within the hub's time", "tự động báo 01 (Đã đến) trong thời gian quy định"),
    _line("C2", f"{_ANNEX}, III.1 o", status_lines.see_progress,
          "03, 04, 05, 06 in order, with actor and time",
          "03, 04, 05, 06 đúng thứ tự, có người thực hiện và thời gian"),
    _line("C3", _28, status_lines.see_rejection,
          "02 with its reason", "02 (Từ chối tiếp nhận) kèm lý do"),
    _line("C4", _28, status_lines.see_disorder,
          "a code out of order is recorded and flagged", "trạng thái sai thứ tự được ghi nhận và đánh dấu"),
    _line("D1", f"{_ANNEX}, III.8 a–c", change_lines.agree_to_recall,
          "recall answered 15: frozen, void, history kept", "thu hồi, trả lời 15: đóng, hết hiệu lực, giữ lịch sử"),
    _line("D2", f"{_ANNEX}, III.8", change_lines.refuse_recall,
          "recall answered 16: the document stays in force", "thu hồi, trả lời 16: văn bản vẫn còn hiệu lực"),
    _line("D3", _QCVN, change_lines.answer_changes,
          "update, replacement, take-back: each answered", "cập nhật, thay thế, lấy lại: đều được trả lời"),
    _line("E1", f"{_28}; {_QCVN}", fault_lines.see_refusals,
          "unknown or locked recipient, not our code, broken XML: refused and named",
          "nơi nhận không tồn tại hoặc bị khóa, mã gửi không phải của đơn vị, XML hỏng: bị từ chối, nêu rõ lý do"),
    _line("E2", f"{_ANNEX}, III.1", fault_lines.lose_answer,
          "connection cut after the upload: one document at the partner",
          "đứt kết nối sau khi tải lên: đối tác chỉ có một văn bản"),
    _line("E3", f"{_ANNEX}, III.1", fault_lines.stop_receiver,
          "receiver stopped between fetch and confirm: delivered once",
          "dừng giữa lúc tải và xác nhận: chỉ giao một lần"),
    _line("F1", "Nghị định 30/2020/NĐ-CP; Nghị định 68/2024/NĐ-CP", proof_lines.see_pdf_signatures,
          "signature in a PDF valid, wrong, expired, missing: shown",
          "chữ ký trong PDF hợp lệ, sai, hết hạn, không có: hiển thị đúng"),
    _line("F2", "Nghị định 68/2024/NĐ-CP", proof_lines.see_seal,
          "the seal survives the hub", "niêm phong còn nguyên sau khi qua trục"),
    _line("G1", f"{_ANNEX}, V.1–4", proof_lines.write_registers,
          "registers of outgoing and incoming documents, CSV and XLSX", "sổ văn bản đi, sổ văn bản đến, CSV và XLSX"),
    _line("G2", _ANNEX, proof_lines.pack_evidence,
          "evidence of one document verified offline", "bằng chứng của một văn bản kiểm tra được ngoại tuyến"),
)  # fmt: skip
"""Every line, in the order in which they are run."""
