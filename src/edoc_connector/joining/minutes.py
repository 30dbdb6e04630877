"""The minutes of an acceptance run, "Biên bản kiểm thử kết nối": what they say, the same for DOCX and PDF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from .._core import escape_line, escape_lines
from ..edxml import VIETNAM
from .acceptance import LineOutcome, LineResult, summarise

COLUMNS = ("Mục", "Nội dung kiểm thử", "Căn cứ", "Kết quả", "Bằng chứng, ghi chú")
_RESULTS = {
    LineOutcome.PASS: "Đạt",
    LineOutcome.FAIL: "Không đạt",
    LineOutcome.NOT_POSSIBLE: "Không thực hiện được",
    LineOutcome.WAITING: "Chờ đối tác",
    LineOutcome.OPEN: "Chưa thực hiện",
}
_MOST_EVIDENCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Minutes:
    """What the minutes say.

    Args:
        place_and_day: above the title, on the right.
        title: of the minutes.
        facts: who, with whom, at which hub: label and value.
        groups: title of each group of lines, and its rows by `COLUMNS`.
        summary: what it came to.
        conclusion: the sentence that is signed.
        signers: who signs, with the line below.
    """

    place_and_day: str
    title: str
    facts: tuple[tuple[str, str], ...]
    groups: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]
    summary: str
    conclusion: str
    signers: tuple[str, ...]


_GROUPS = {
    "A": "A. Kết nối",
    "B": "B. Gửi văn bản",
    "C": "C. Trạng thái xử lý",
    "D": "D. Thu hồi, cập nhật, thay thế, lấy lại",
    "E": "E. Sự cố và từ chối",
    "F": "F. Chữ ký số và niêm phong",
    "G": "G. Sổ văn bản và bằng chứng",
}


def write_minutes(about: Mapping[str, str], results: Sequence[LineResult], *, day: date, begun_at: datetime) -> Minutes:
    """Write what the minutes say; control characters of what others wrote are spelt out, as no document can hold them.

    Args:
        about: of the run (`RunState.about`).
        results: every line.
        day: of the minutes.
        begun_at: when the run began.
    """
    about = {name: escape_line(value) for name, value in about.items()}
    counts = summarise(results)
    open_lines = counts["waiting"] + counts["open"]
    return Minutes(
        place_and_day=f"…………, ngày {day:%d} tháng {day:%m} năm {day.year}",
        title="BIÊN BẢN KIỂM THỬ KẾT NỐI",
        facts=_list_facts(about, begun_at),
        groups=tuple(_list_groups(results)),
        summary=f"Tổng số {len(results)} mục: {counts['pass']} đạt, {counts['fail']} không đạt, "
        f"{counts['not-possible']} không thực hiện được ở đây, {open_lines} chưa hoàn thành.",
        conclusion=_conclude(counts["fail"], open_lines),
        signers=_list_signers(about),
    )


def _list_facts(about: Mapping[str, str], begun_at: datetime) -> tuple[tuple[str, str], ...]:
    partner = f"{about['partner_name']} (mã định danh {about['partner']})"
    own = " – đơn vị thứ hai của cùng hệ thống" if about["partner_kind"] == "own" else ""
    return (
        ("Đơn vị kết nối", f"{about['agency_name']} (mã định danh {about['agency']})"),
        ("Đối tác kiểm thử", partner + own),
        ("Trục liên thông", f"{about['hub']} (giao thức {about['dialect']})"),
        ("Môi trường", about["environment"] or "thử nghiệm"),
        ("Thời gian bắt đầu", f"{begun_at.astimezone(VIETNAM):%H:%M ngày %d/%m/%Y}"),
        ("Phần mềm", f"edoc_connector {about['version']}"),
    )


def _list_groups(results: Sequence[LineResult]) -> list[tuple[str, tuple[tuple[str, ...], ...]]]:
    letters = dict.fromkeys(one.scenario.id[0] for one in results)
    return [
        (_GROUPS[letter], tuple(_build_row(one) for one in results if one.scenario.id[0] == letter))
        for letter in letters
    ]


def _build_row(result: LineResult) -> tuple[str, ...]:
    scenario = result.scenario
    shown = [escape_line(one) for one in result.evidence[:_MOST_EVIDENCE]]
    more = len(result.evidence) - len(shown)
    told = [escape_lines(result.text.vi)] if result.text.vi else []
    notes = [*told, *shown, *([f"(và {more} bằng chứng khác)"] if more else [])]
    title = scenario.title.vi
    return scenario.id, title[:1].upper() + title[1:], scenario.rule, _RESULTS[result.outcome], "\n".join(notes)


def _conclude(failures: int, open_lines: int) -> str:
    if failures:
        return "Kết luận: kết nối chưa đạt yêu cầu; các bên khắc phục những mục không đạt và kiểm thử lại."
    if open_lines:
        return "Kết luận: kiểm thử chưa hoàn thành; các bên tiếp tục những mục còn lại."
    return (
        "Kết luận: kết nối đạt yêu cầu, đủ điều kiện cấp tài khoản môi trường chính thức. Biên bản được lập thành … "
        "bản, mỗi bên giữ một bản."
    )


def _list_signers(about: Mapping[str, str]) -> tuple[str, ...]:
    partner = () if about["partner_kind"] == "own" else ("ĐẠI DIỆN ĐỐI TÁC",)
    return ("ĐẠI DIỆN ĐƠN VỊ KẾT NỐI", *partner, "ĐẠI DIỆN ĐƠN VỊ VẬN HÀNH TRỤC")


COUNTRY = ("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "Độc lập - Tự do - Hạnh phúc")
SIGN_HERE = "(Ký, ghi rõ họ tên, đóng dấu hoặc ký số)"
"""As in the layout of administrative documents (Decree 30/2020/NĐ-CP, Annex I)."""
