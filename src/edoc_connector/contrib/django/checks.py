"""What ``manage.py check`` says of the settings."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Warning

from ..._core import Text, describe_error
from ...errors import ConfigError
from .configuration import load_agencies
from .language import choose, speak
from .signals import document_received


def check_settings(**_: Any) -> list[CheckMessage]:
    """Report settings that cannot be used (edoc.E001), and what they leave open (edoc.W001)."""
    try:
        agencies = load_agencies()
    except ConfigError as error:
        return [Error(choose(describe_error(error)), hint=speak(*_WHERE), id="edoc.E001")]
    warnings: dict[Text, None] = dict.fromkeys(warning for one in agencies for warning in one.list_warnings())
    return [Warning(choose(warning), id="edoc.W001") for warning in warnings]


def check_receivers(**_: Any) -> list[CheckMessage]:
    """Report that nothing takes documents in (edoc.W002)."""
    if document_received.has_listeners():
        return []
    return [Warning(speak(*_NO_RECEIVER), hint=speak(*_CONNECT), id="edoc.W002")]


_WHERE = ("Settings are in docs/configuration.md.", "Các thiết lập có trong docs/configuration.vi.md.")
_NO_RECEIVER = (
    "Nothing is connected to the signal document_received: documents that come in wait.",
    "Chưa có hàm nào nhận tín hiệu document_received: văn bản đến sẽ chờ.",
)
_CONNECT = (
    "Connect a receiver in a module that is imported at start, models.py or AppConfig.ready().",
    "Hãy đăng ký hàm nhận trong module được nạp khi khởi động: models.py hoặc AppConfig.ready().",
)
