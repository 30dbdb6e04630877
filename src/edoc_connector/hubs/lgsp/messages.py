"""Texts of the errors of the dialect ``lgsp``, in English and Vietnamese."""

from __future__ import annotations

from ..._core import Text
from ...errors import HubError

UNUSABLE_CREDENTIALS = Text(
    "system_id and secret must be the SystemId and SecretKey that the platform issued for this agency: printable "
    "ASCII without spaces at the ends.",
    "system_id và secret phải là SystemId và SecretKey do nền tảng cấp cho đơn vị: ký tự ASCII in được, không có dấu "
    "cách ở hai đầu.",
)
INCOMPLETE_LOGIN = Text(
    "username and password are those of the application's login: give both, or neither for a platform without login.",
    "username và password là của lần đăng nhập ứng dụng: nhập cả hai, hoặc bỏ cả hai nếu nền tảng không cần đăng nhập.",
)
UNUSABLE_WINDOW = Text(
    "window_days can be 2 to 7, first_days 1 to 3660.",
    "window_days nhận từ 2 đến 7, first_days từ 1 đến 3660.",
)
UNUSABLE_LIMIT = Text(
    "max_packet, max_answer, max_attachment and token_lifetime must be more than 0.",
    "max_packet, max_answer, max_attachment và token_lifetime phải lớn hơn 0.",
)


def build_no_sent_list_error() -> HubError:
    """Build the error for a question that the platform has no call for."""
    return HubError(
        "This platform has no list of sent packets: what it has of ours cannot be asked. The recipient's status tells "
        "that a document arrived.",
        vi="Nền tảng này không có danh sách gói tin đã gửi nên không hỏi được đã nhận gói nào. Trạng thái của nơi nhận "
        "cho biết văn bản đã tới.",
        code="",
    )
