"""Optional packages that commands need."""

from __future__ import annotations

from ...errors import ConfigError


def require_mockhub() -> None:
    """Check for the extra of the mock hub, before anything is started.

    Raises:
        ConfigError: the extra is not installed; the message holds the line that installs it.
    """
    from importlib.util import find_spec

    if not all(find_spec(name) for name in ("jinja2", "python_multipart", "starlette", "uvicorn")):
        raise ConfigError(
            "the mock hub needs the extra 'mockhub'; install it: pip install 'edoc-connector[mockhub]'",
            vi="trục giả lập cần gói bổ sung 'mockhub'; hãy cài: pip install 'edoc-connector[mockhub]'",
        )
