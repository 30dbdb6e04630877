"""Texts of the errors of authenticators, in English and Vietnamese."""

from __future__ import annotations

from ..._core import Text
from ...errors import AuthenticationRejected, IntermediaryAnswer
from ..fields import as_printable

UNUSABLE_LOGIN_URL = Text(
    "The address of the login (token_url, login_url) must be a URL such as https://gateway.example.gov.vn/token, "
    "without user, password or fragment.",
    "Địa chỉ đăng nhập (token_url, login_url) phải là URL dạng https://cong.example.gov.vn/token, "
    "không có tên người dùng, mật khẩu hoặc phần neo (#).",
)
MISSING_CREDENTIALS = Text(
    "The login has no credentials: give the key and the secret that the gateway's operator issued.",
    "Thiếu thông tin đăng nhập: hãy nhập key và mã bí mật (secret) do đơn vị vận hành cổng cấp.",
)
MISSING_PASSWORD = Text(
    "The login needs username and password, as the hub's operator issued them for this application.",
    "Đăng nhập cần username và password do đơn vị vận hành trục cấp cho ứng dụng này.",
)
UNUSABLE_LIFETIME = Text(
    "lifetime is the seconds that a token is used for: more than 0.",
    "lifetime là số giây sử dụng token: phải lớn hơn 0.",
)
UNUSABLE_ACCESS_KEY = Text(
    "lgspaccesstoken needs access_key and secret_key, as the gateway's operator issued them.",
    "lgspaccesstoken cần access_key và secret_key do đơn vị vận hành cổng cấp.",
)
UNUSABLE_SCHEME = Text(
    "scheme is the word before the token, such as Bearer, or nothing: printable ASCII without spaces at the ends.",
    "scheme là từ đứng trước token, ví dụ Bearer, hoặc để trống: ký tự ASCII in được, không có dấu cách ở hai đầu.",
)
UNUSABLE_MEMBERS = Text(
    "members holds what the login asks for beside username and password, as plain JSON values.",
    "members chứa các giá trị JSON mà lời gọi đăng nhập cần thêm ngoài username và password.",
)


def build_refused_login_error(url: str, words: str, *, code: str) -> AuthenticationRejected:
    """Build the error for credentials that a login refuses.

    Args:
        url: where.
        words: what it said.
        code: the HTTP status, or the code in its answer.
    """
    said = as_printable(words, 200)
    return AuthenticationRejected(
        f"The login at {url} was refused ({said}). Check the credentials in the configuration: production and test "
        "platforms have different ones, and they may have been changed there. Nothing was sent.",
        vi=f"Đăng nhập tại {url} bị từ chối ({said}). Hãy kiểm tra thông tin đăng nhập trong cấu hình: môi trường thật "
        "và thử nghiệm dùng thông tin khác nhau, hoặc chúng đã được đổi. Chưa gửi gì.",
        code=code,
    )


def build_odd_login_error(url: str, words: str) -> IntermediaryAnswer:
    """Build the error for an answer to a login that is none.

    Args:
        url: where.
        words: the answer in a few words.
    """
    said = as_printable(words, 300)
    return IntermediaryAnswer(
        f"What answered the login at {url} is no login ({said}). Check the address, and any proxy or portal in front "
        "of it. Nothing was sent.",
        vi=f"Câu trả lời khi đăng nhập tại {url} không đúng dạng ({said}). Hãy kiểm tra địa chỉ và proxy hoặc cổng ở "
        "phía trước. Chưa gửi gì.",
    )
