"""What the answers of tokens and their libraries mean, and what to do, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..._core import Text
from ...errors import SigningError

if TYPE_CHECKING:
    import pkcs11

_PLUG_IN = Text(
    "check that it is plugged in and its driver works, then try again",
    "kiểm tra thiết bị đã cắm và trình điều khiển rồi thử lại",
)
_ADVICE: Mapping[str, Text] = {
    "AnotherUserAlreadyLoggedIn": Text(
        "another part of this program is logged in as the token's administrator; let it log out first",
        "một phần khác của chương trình đang đăng nhập bằng quyền quản trị thiết bị; hãy đăng xuất trước",
    ),
    "UserPinNotInitialized": Text(
        "its PIN was never set; set it with the vendor's tool",
        "thiết bị chưa được đặt PIN; hãy đặt PIN bằng công cụ của nhà cung cấp",
    ),
    "PinExpired": Text(
        "its PIN must be changed first; change it with the vendor's tool, and where pin-source points",
        "PIN đã hết hạn; hãy đổi bằng công cụ của nhà cung cấp và sửa tại nơi pin-source chỉ tới",
    ),
    "SessionCount": Text(
        "other programs hold all its sessions; close them, or sign in one process",
        "các chương trình khác đã dùng hết phiên của thiết bị; hãy đóng bớt, hoặc ký trong một tiến trình",
    ),
    "MechanismInvalid": Text(
        "it cannot sign by this algorithm; choose another with &algorithm=…",
        "thiết bị không ký được bằng thuật toán này; hãy chọn thuật toán khác với &algorithm=…",
    ),
    "TokenNotRecognised": Text(
        "this library does not know the token; name the library of the token's own vendor in module-path",
        "thư viện này không nhận ra thiết bị; hãy chỉ thư viện của đúng nhà cung cấp trong module-path",
    ),
    "FunctionNotSupported": Text(
        "the library lacks a function that signing needs; ask the vendor for a newer driver",
        "thư viện thiếu chức năng cần để ký; hãy xin nhà cung cấp trình điều khiển mới hơn",
    ),
}
_ADVICE_ON_LIBRARIES = {
    "wrong elf class": Text(
        "it is made for another kind of processor or program (32 or 64 bits); install the one that fits this machine",
        "thư viện dành cho loại máy hoặc chương trình khác (32 hay 64 bit); hãy cài trình điều khiển đúng loại máy này",
    ),
    "invalid elf header": Text(
        "the file is no library of this operating system; name the .so file of the token's driver",
        "tệp này không phải thư viện của hệ điều hành này; hãy chỉ tệp .so của trình điều khiển",
    ),
    "file too short": Text(
        "the file is no library of this operating system; name the .so file of the token's driver",
        "tệp này không phải thư viện của hệ điều hành này; hãy chỉ tệp .so của trình điều khiển",
    ),
}
_INSTALL = Text(
    "install the token's driver and correct module-path", "hãy cài trình điều khiển của thiết bị và sửa module-path"
)


def list_session_errors() -> tuple[type[pkcs11.PKCS11Error], ...]:
    """List the errors that mean that a session, or an object found in it, is gone."""
    import pkcs11

    return (
        pkcs11.SessionHandleInvalid,
        pkcs11.SessionClosed,
        pkcs11.KeyHandleInvalid,
        pkcs11.ObjectHandleInvalid,
        pkcs11.UserNotLoggedIn,
        pkcs11.DeviceRemoved,
        pkcs11.DeviceError,
        pkcs11.TokenNotPresent,
    )


def token_error(error: pkcs11.PKCS11Error, redacted: str) -> SigningError:
    """Build the error for an unexpected answer of a token.

    Args:
        error: the answer.
        redacted: the key's URI without its query.
    """
    name = type(error).__name__
    if name == "PKCS11Error":  # an answer that python-pkcs11 has no class for; its number is in the words
        name = str(error) or name
    advice = _ADVICE.get(name, _PLUG_IN)
    return SigningError(
        f"the token of {redacted} answered {name}: {advice.en}",
        vi=f"thiết bị của {redacted} báo lỗi {name}: {advice.vi}",
    )


def pin_locked_error(redacted: str) -> SigningError:
    """Build the error for a locked PIN."""
    return SigningError(
        f"the PIN of the token of {redacted} is locked; unlock it with the vendor's tool (its administrator's PIN)",
        vi=f"PIN của thiết bị của {redacted} đã bị khóa; hãy mở khóa bằng công cụ của nhà cung cấp (PIN quản trị)",
    )


def library_error(error: pkcs11.PKCS11Error, module: str) -> SigningError:
    """Build the error for a library that does not load or work."""
    words = str(error) or type(error).__name__
    advice = _advise_on_library(words, module)
    return SigningError(
        f"the token library {module} does not work ({words}); {advice.en}",
        vi=f"thư viện thiết bị {module} không hoạt động ({words}); {advice.vi}",
    )


def _advise_on_library(words: str, module: str) -> Text:
    lowered = words.lower()
    for part, advice in _ADVICE_ON_LIBRARIES.items():
        if part in lowered:
            return advice
    loading, _, rest = words.partition("cannot open shared object file")
    missing = loading.rpartition("loading ")[2].removeprefix(f"{module}: ").rstrip(": ")
    if rest and missing and missing != module:
        return Text(
            f"it needs the library {missing}, which is not installed here; install the package that has it",
            f"thư viện này cần {missing} nhưng máy chưa cài; hãy cài gói có thư viện đó",
        )
    return _INSTALL
