"""Problems of files that a watched folder was given: what is wrong, and what to do, in both languages."""

from __future__ import annotations

from collections.abc import Iterable

from .._core import Text
from ..errors import EdocError

ERROR_ENDING = ".error.txt"
"""Ending of the file beside a bad item that says what to do; such files are never taken."""

_HEAD = Text(
    "This was not taken. What to do: correct what is said below, then copy the files (without this one) to {place} "
    "again.",
    "Chưa tiếp nhận. Cách xử lý: sửa theo nội dung dưới đây rồi chép lại các tệp (trừ tệp này) vào {place}.",
)
_FAULT = Text(
    "It is a fault of this program ({error}), not of the file: the log says more. Tell whoever looks after the "
    "program, then copy the files there again.",
    "Đây là lỗi của chương trình ({error}), không phải của tệp; xem nhật ký. Hãy báo người quản trị rồi chép lại tệp.",
)


class ItemProblem(EdocError):
    """A file in the watched folder cannot be used: what it says is wrong, or a file that belongs to it is missing."""


def describe_fault(error: BaseException) -> Text:
    """Describe an error that nobody foresaw."""
    name = type(error).__name__
    return Text(_FAULT.en.format(error=name), _FAULT.vi.format(error=name))


def format_error_file(place: str, problems: Iterable[Text]) -> str:
    """Format the file that lies beside a bad item: Vietnamese first, then English.

    Args:
        place: the folder that the corrected files go to, as a person calls it.
        problems: what is wrong, a paragraph each.
    """
    found = list(problems)
    head = Text(_HEAD.en.format(place=place), _HEAD.vi.format(place=place))
    parts = [head.vi, *(one.vi for one in found), "-" * 40, head.en, *(one.en for one in found)]
    return "\r\n\r\n".join(parts) + "\r\n"  # as the editor of Windows expects it
