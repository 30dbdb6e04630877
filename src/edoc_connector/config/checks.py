"""Mistakes around a configuration that no single setting shows."""

from __future__ import annotations

import difflib
import ipaddress
import logging
import os
from collections.abc import Iterable
from urllib.parse import urlsplit

from ..errors import ConfigError

log = logging.getLogger("edoc_connector.config")


def refuse_misspelt_variables(prefix: str, nesting: str, sections: Iterable[str]) -> None:
    """Refuse a variable of the environment that was meant to override a setting, and would not.

    Only one whose section is nearly one that there is: a program's own variables may begin with the same letters.

    Args:
        prefix: what the variables begin with.
        nesting: what stands between section and name.
        sections: the sections that there are.

    Raises:
        ConfigError: names the variable, and the one that was meant.
    """
    known = {section.upper() for section in sections}
    for name in sorted(os.environ):
        section, between, rest = name.upper().removeprefix(prefix).partition(nesting)
        if not name.upper().startswith(prefix) or not between or section in known:
            continue
        similar = difflib.get_close_matches(section, known, n=1, cutoff=0.8)
        if similar:
            intended = f"{prefix}{similar[0]}{nesting}{rest}"
            raise ConfigError(
                f"{name} in the environment overrides nothing: there is no section of that name. Is {intended} meant?",
                vi=f"Biến môi trường {name} không thay giá trị nào: không có mục tên như vậy. Có phải "
                f"{intended} không?",
            )


def warn_without_tls(endpoint: str) -> None:
    """Say in the log that documents go to a hub without TLS, unless it is on this machine."""
    parts = urlsplit(endpoint)
    if parts.scheme != "http" or _is_loopback(parts.hostname or ""):
        return
    log.warning("%s is reached without TLS: anybody on the way can read the documents; use https", parts.hostname)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
