"""Errors of exchanges, answers and settings of the clients, with their texts in English and Vietnamese.

`build_transport_error` finds the meaning of an exception of httpx in one table.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import httpx

from .._core import Text
from ..errors import (
    AnswerCut,
    AttachmentError,
    ConfigError,
    NotSent,
    OutcomeUnknown,
    ProtocolError,
    TransportError,
    describe_system_error_vi,
)
from ..hubs import WireRequest, as_printable


@dataclass(frozen=True, slots=True)
class _Fault:
    """The meaning of an exception.

    Args:
        before_sending: whether it can only happen before any of the request left.
        en: what is wrong, and what to check.
        vi: the same in Vietnamese.
    """

    before_sending: bool
    en: str
    vi: str


_UNTRUSTED = _Fault(
    True,
    "TLS could not be established. Check the hub's name in the endpoint, ca_bundle, this machine's clock and, "
    "where the hub asks for one, the client certificate",
    "Không thiết lập được kết nối TLS. Hãy kiểm tra tên máy chủ trong endpoint, ca_bundle, đồng hồ của máy và "
    "chứng thư máy khách (nếu trục yêu cầu)",
)
_TOO_SLOW = _Fault(False, "The hub took longer than the time allowed", "Trục phản hồi quá thời gian cho phép")
_CONNECTION_BROKEN = _Fault(
    False,
    "The connection broke before the answer was complete",
    "Kết nối bị ngắt khi chưa nhận đủ câu trả lời",
)
_FAULTS: tuple[tuple[type[Exception], _Fault], ...] = (
    (
        httpx.ConnectTimeout,
        _Fault(
            True,
            "The hub does not answer the connection; check the network and the firewall",
            "Trục không phản hồi kết nối; hãy kiểm tra mạng và tường lửa",
        ),
    ),
    (
        httpx.PoolTimeout,
        _Fault(
            True,
            "All connections to the hub are busy; raise `connections` or send less at a time",
            "Mọi kết nối tới trục đều bận; hãy tăng `connections` hoặc gửi ít hơn cùng lúc",
        ),
    ),
    (
        httpx.ProxyError,
        _Fault(
            True,
            "The proxy does not let the connection through; check the proxy setting and its password",
            "Proxy không cho kết nối đi qua; hãy kiểm tra cấu hình proxy và mật khẩu",
        ),
    ),
    (
        httpx.ConnectError,
        _Fault(
            True,
            "The hub cannot be reached; check the endpoint, network, firewall and, if one is set, the proxy of [http]",
            "Không kết nối được tới trục; hãy kiểm tra endpoint, mạng, tường lửa và proxy ở [http] (nếu có)",
        ),
    ),
    (
        httpx.InvalidURL,
        _Fault(
            True,
            "The hub's endpoint is no usable URL; correct it in the configuration",
            "Địa chỉ trục (endpoint) không hợp lệ; hãy sửa trong cấu hình",
        ),
    ),
    (httpx.TimeoutException, _TOO_SLOW),
    (TimeoutError, _TOO_SLOW),  # of anyio, for an exchange as a whole
    (httpx.TransportError, _CONNECTION_BROKEN),
    (ssl.SSLError, _CONNECTION_BROKEN),  # httpx lets those of asynchronous reads through as they are
)
EXCHANGE_ERRORS = tuple(kind for kind, _ in _FAULTS)


def build_transport_error(
    error: Exception, request: WireRequest, *, handed_over: bool, tls: Text | None = None
) -> TransportError:
    """Build the error for an exchange that got no answer.

    It keeps no reference to the exception of httpx, which refers to the request and its signed headers.

    Args:
        error: the exception, one of `EXCHANGE_ERRORS`.
        request: the request that was sent.
        handed_over: whether the last byte of the body went to the transport.
        tls: what a failed handshake means, where that is known.
    """
    fault = next(fault for kind, fault in _FAULTS if isinstance(error, kind))
    if is_tls_failure(error):
        fault = _UNTRUSTED if tls is None else _Fault(True, tls.en, tls.vi)
    exchange = f"{request.method} {request.url}, {_describe_exception(error)}"
    if request.sends and handed_over and not fault.before_sending:
        return OutcomeUnknown(
            f"{fault.en}, and the hub may have taken the request ({exchange}). Ask the hub before sending again.",
            vi=f"{fault.vi}, có thể trục đã nhận được yêu cầu ({exchange}). Hãy hỏi trục trước khi gửi lại.",
        )
    kind = NotSent if fault.before_sending or request.sends else AnswerCut
    return kind(
        f"{fault.en} ({exchange}). It is safe to try again.",
        vi=f"{fault.vi} ({exchange}). Có thể thử lại an toàn.",
    )


def _describe_exception(error: Exception) -> str:
    """Describe an exception by kind and words; h11's words about our own request quote its headers and stay out."""
    words = "" if isinstance(error, httpx.LocalProtocolError) else as_printable(str(error), 200)
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def is_tls_failure(error: BaseException) -> bool:
    """Tell whether the handshake failed.

    In TLS 1.3 a server judges our certificate after we have begun to send, but before it reads anything: its alert
    about certificates arrives as a read error and still means that nothing was done.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            reason = getattr(cause, "reason", None) or ""  # set by OpenSSL only
            return isinstance(error, httpx.ConnectError) or "CERTIFICATE" in reason or "UNKNOWN_CA" in reason
        cause = cause.__cause__ or cause.__context__
    return False


# --- TLS. ---

TLS_FAILED = Text(_UNTRUSTED.en, _UNTRUSTED.vi)
UNTRUSTED_AUTHORITY = Text(
    "The authority that issued the hub's TLS certificate is not trusted here. Get its root certificate from the hub's "
    "operator, check it, and name its file in ca_bundle of [http]",
    "Tổ chức cấp chứng thư TLS của trục chưa được tin cậy trên máy này. Hãy nhận chứng thư gốc từ đơn vị vận hành "
    "trục, kiểm tra và chỉ tệp đó ở ca_bundle trong [http]",
)
CERTIFICATE_EXPIRED = Text(
    "The TLS certificate of the hub's server has expired. Check this machine's clock; if it is right, tell the hub's "
    "operator",
    "Chứng thư TLS của máy chủ trục đã hết hạn. Hãy kiểm tra đồng hồ của máy; nếu đúng giờ, hãy báo đơn vị vận "
    "hành trục",
)
CERTIFICATE_NOT_YET_VALID = Text(
    "The TLS certificate of the hub's server is not valid yet. Check this machine's clock",
    "Chứng thư TLS của máy chủ trục chưa có hiệu lực. Hãy kiểm tra đồng hồ của máy",
)
WRONG_NAME = Text(
    "The TLS certificate of the server is for another name than the endpoint's. Write the hub's name in endpoint as "
    "the certificate has it, not an address or another name of the machine",
    "Chứng thư TLS của máy chủ dành cho tên khác với endpoint. Hãy ghi endpoint bằng đúng tên trong chứng thư, "
    "không dùng địa chỉ IP hay tên khác",
)
OLD_SERVER = Text(
    "The hub's server offers only TLS that is too old or too weak for today's defaults. Ask its operator to renew it; "
    'until then set tls = "legacy" in [http] for this hub (certificates are verified all the same)',
    "Máy chủ trục chỉ hỗ trợ TLS quá cũ hoặc quá yếu so với mặc định hiện nay. Hãy đề nghị đơn vị vận hành nâng cấp; "
    'trong khi chờ, đặt tls = "legacy" trong [http] cho trục này (chứng thư vẫn được kiểm tra)',
)
OLD_SERVER_REFUSED = Text(
    'TLS could not be established although tls = "legacy" is set: the server offers nothing that can be used, or asks '
    "for a client certificate. Ask the hub's operator which TLS versions and certificates it wants",
    'Không thiết lập được TLS dù đã đặt tls = "legacy": máy chủ không hỗ trợ cách nào dùng được, hoặc cần chứng thư '
    "máy khách. Hãy hỏi đơn vị vận hành trục về phiên bản TLS và chứng thư cần dùng",
)
NO_TLS_THERE = Text(
    "The server does not speak TLS at that port. Check the port of endpoint and whether it is https or http",
    "Máy chủ không dùng TLS ở cổng này. Hãy kiểm tra cổng trong endpoint và https hay http",
)


def describe_missing_issuer(issuer: str, address: str | None) -> Text:
    """Describe the certificate that a server's chain lacks.

    Args:
        issuer: name of the authority whose certificate is missing.
        address: where the authority offers it, as the certificate below says.
    """
    name = as_printable(issuer, 200)
    source = f" (offered at {as_printable(address, 200)})" if address else ""
    source_vi = f" (có tại {as_printable(address, 200)})" if address else ""
    return Text(
        f"The chain of certificates that the hub's server sends ends below '{name}', whose certificate is neither sent "
        f"nor trusted here. Ask the hub's operator to install the whole chain at the server; until then put the "
        f"certificate of '{name}'{source}, checked, into the file of ca_bundle in [http]",
        f"Chuỗi chứng thư máy chủ trục gửi thiếu chứng thư của '{name}', và máy này cũng chưa tin cậy chứng thư đó. "
        f"Hãy đề nghị đơn vị vận hành trục cài đủ chuỗi chứng thư trên máy chủ; trong khi chờ, hãy kiểm tra và đưa "
        f"chứng thư của '{name}'{source_vi} vào tệp ca_bundle trong [http]",
    )


# --- Settings. ---

NO_AUTHORITY = Text(
    "the file of ca_bundle holds no certificate that can be read (PEM, DER or .p7b)",
    "tệp ca_bundle không có chứng thư đọc được (PEM, DER hoặc .p7b)",
)

UNUSABLE_HEADERS = Text(
    "headers and secret_headers of [http] can hold names and values of printable ASCII, and none of the names that the "
    "connection or the body decides (Host, Content-Length, Transfer-Encoding, Connection…).",
    "headers và secret_headers trong [http] chỉ nhận tên và giá trị là ký tự ASCII in được, không nhận các tên do kết "
    "nối hoặc nội dung quyết định (Host, Content-Length, Transfer-Encoding, Connection…).",
)
INCOMPLETE_PEM = Text(
    "a PEM file lacks the certificate or the key that belongs to it (client_key is left out where it stands in "
    "client_certificate)",
    "tệp PEM thiếu chứng thư số hoặc khóa tương ứng (chỉ bỏ trống client_key khi khóa nằm trong client_certificate)",
)
UNUSABLE_PROXY = Text(
    "The proxy setting is no http:// or https:// URL, such as http://proxy.example.gov.vn:3128.",
    "Cấu hình proxy không phải là URL http:// hoặc https://, ví dụ http://proxy.example.gov.vn:3128.",
)


def describe_missing_file(file: Path) -> Text:
    """Describe a file of the settings that is not there."""
    return Text(f"{file} is not there", f"không có tệp {file}")


def build_tls_settings_error(reason: Text) -> ConfigError:
    """Build the error for certificates and keys that TLS cannot use."""
    return ConfigError(
        f"The TLS settings of the hub cannot be used: {reason.en}. "
        "Check ca_bundle, client_certificate, client_key (PEM files) and the key's password.",
        vi=f"Không dùng được cấu hình TLS của trục: {reason.vi}. "
        "Hãy kiểm tra ca_bundle, client_certificate, client_key (tệp PEM) và mật khẩu của khóa.",
    )


def build_missing_call_error(dialect: str, call: str) -> ConfigError:
    """Build the error for a call that a dialect does not have.

    Args:
        dialect: name of the dialect's class.
        call: name of the method.
    """
    return ConfigError(
        f"The hub dialect {dialect} has no call {call!r}; use a hub that does, or do without.",
        vi=f"Giao thức trục {dialect} không có lời gọi {call!r}; hãy dùng trục có hỗ trợ hoặc bỏ qua bước này.",
    )


# --- Logins. ---


def build_login_wait_error() -> NotSent:
    """Build the error for a login of another call that takes too long to wait for."""
    return NotSent(
        "The login that another call has begun takes too long; nothing was sent. It is safe to try again.",
        vi="Lần đăng nhập do lời gọi khác thực hiện mất quá lâu; chưa gửi gì. Có thể thử lại an toàn.",
    )


# --- Bodies. ---


def build_unsendable_error(path: Path, error: OSError) -> AttachmentError:
    """Build the error for a packet that the disk does not give."""
    return AttachmentError(
        f"The packet {path} cannot be sent: {error.strerror}. Put it back, or build it again, and send again.",
        vi=f"Không gửi được gói tin {path}: {describe_system_error_vi(error)}. "
        "Hãy khôi phục hoặc tạo lại gói tin rồi gửi lại.",
    )


def build_encoding_error(encoding: str) -> ProtocolError:
    """Build the error for an answer in an encoding that was not asked for."""
    name = as_printable(encoding, 40)
    return ProtocolError(
        f"The answer is encoded as {name!r}, which was not asked for. "
        "Have the proxy before the hub leave answers as they are.",
        vi=f"Câu trả lời được mã hóa kiểu {name!r} dù không yêu cầu. "
        "Hãy cấu hình proxy phía trước trục để giữ nguyên câu trả lời.",
    )


def build_too_long_error(limit: int) -> ProtocolError:
    """Build the error for an answer of more than `limit` bytes."""
    return ProtocolError(
        f"The answer is longer than the {limit} bytes allowed. If the hub really sends that much, raise the limit.",
        vi=f"Câu trả lời dài hơn giới hạn {limit} byte. Nếu trục thực sự gửi dữ liệu lớn như vậy, hãy tăng giới hạn.",
    )


def build_compression_error() -> ProtocolError:
    """Build the error for an answer whose compressed bytes are broken or end early."""
    return ProtocolError(
        "The answer's compression is broken or ends early. Try again; have proxies before the hub not compress.",
        vi="Dữ liệu nén trong câu trả lời bị hỏng hoặc bị cắt. Hãy thử lại; cấu hình proxy phía trước trục không nén.",
    )
