"""Checks of a configuration as a whole: pydantic's findings as one error, misspelt names, a hub without TLS."""

from __future__ import annotations

import difflib
import ipaddress
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .._core import ABOUT_SETTINGS, Text, get_logger, is_open_to_others
from ..errors import ConfigError
from ..hubs import AUTHENTICATORS, BUILT_IN, REGISTRY
from ..signing import KeyUri
from .messages import (
    REFERENCE_HINT,
    UNBOUND_SIGNERS,
    build_invalid_error,
    build_misspelt_variable_error,
    describe_missing,
    describe_open_connection,
    describe_open_file,
    describe_open_secret,
    describe_unknown,
    translate_detail,
)
from .secret_refs import SecretRef
from .sections import build_auth_model, build_dialect_model

log = get_logger("edoc_connector.config")


def build_config_error(error: ValidationError, settings: type[BaseModel], *, hub: str = "hub") -> ConfigError:
    """Build one error of pydantic's findings: every wrong setting, and what to write instead.

    Args:
        error: of the settings, or of the model of a dialect.
        settings: the model of all settings, whose names are known.
        hub: section of the hub that the dialect is of.
    """
    details = error.errors(include_input=False, include_url=False)
    section = f"{hub}.auth" if error.title in AUTHENTICATORS else hub if error.title in REGISTRY else ""
    return build_invalid_error(_describe_problem(detail, section, settings) for detail in details)


def _describe_problem(detail: ErrorDetails, section: str, settings: type[BaseModel]) -> Text:
    words = detail["msg"].removeprefix("Value error, ")
    setting = ".".join(str(part) for part in ((section,) if section else ()) + detail["loc"])
    if detail["type"] == "missing":
        return describe_missing(setting)
    if detail["type"] == "extra_forbidden":
        return describe_unknown(setting, _find_similar_setting(setting, settings))
    if words == REFERENCE_HINT.en:
        return describe_open_secret(setting)
    prefix = f"{setting}: " if setting else ""  # what is wrong with several settings together names them itself
    return Text(f"{prefix}{words}", f"{prefix}{_translate_detail(detail)}")


def _translate_detail(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})  # limits and names that are allowed; never a value that was given
    own_words = getattr(context.get("error"), "vi", None)
    return translate_detail(detail["type"], context) if own_words is None else str(own_words)


def _find_similar_setting(setting: str, settings: type[BaseModel]) -> str | None:
    """Find the known setting that looks most like an unknown one."""
    names: list[str] = list(settings.model_fields)
    for name, field in settings.model_fields.items():
        section: Any = field.annotation
        names += [f"{name}.{inner}" for inner in getattr(section, "model_fields", ())]
    for dialect in BUILT_IN:
        names += [f"hub.{inner}" for inner in build_dialect_model(dialect).model_fields]
    for kind in AUTHENTICATORS:
        names += [f"hub.auth.{inner}" for inner in build_auth_model(kind).model_fields]
    return next(iter(difflib.get_close_matches(setting, names, n=1, cutoff=0.75)), None)


def refuse_misspelt_variables(prefix: str, nesting: str, sections: Iterable[str]) -> None:
    """Refuse a variable of the environment that was meant to override a setting, and would not.

    Only a section that nearly has a known name counts: a program's own variables may begin with the same letters.

    Args:
        prefix: beginning of the variables' names, ``EDOC_``.
        nesting: separator of section and name, ``__``.
        sections: the known sections.

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
            raise build_misspelt_variable_error(name, f"{prefix}{similar[0]}{nesting}{rest}")


def find_references(sections: Iterable[BaseModel], uris: Iterable[str]) -> Iterator[SecretRef]:
    """Find the references to secrets in sections, and in the URIs of keys (``?secret=…``)."""
    for section in sections:
        for value in section.__dict__.values():
            yield from (one for one in _list_values(value) if isinstance(one, SecretRef))
    for uri in uris:
        name = KeyUri.parse(uri).secret_name
        if SecretRef.is_reference(name):
            yield SecretRef.parse(name)


def _list_values(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, tuple) else (value,)


def warn_of_open_secrets(paths: Iterable[Path], *, refuse: bool) -> None:
    """Warn in the log of each file with a secret that others on this machine can read.

    Args:
        paths: the files.
        refuse: whether to refuse instead.

    Raises:
        ConfigError: names the first such file.
    """
    for path in dict.fromkeys(paths):
        if is_open_to_others(path):
            problem = describe_open_file(path)
            if refuse:
                raise ConfigError(problem.en, vi=problem.vi)
            log.warning("%s", problem.en, extra=ABOUT_SETTINGS)


def warn_without_tls(endpoint: str) -> None:
    """Warn in the log of a hub that gets documents without TLS, unless it is on this machine."""
    for warning in describe_missing_tls(endpoint):
        log.warning(warning.en, extra=ABOUT_SETTINGS)


def describe_missing_tls(endpoint: str) -> Iterator[Text]:
    """Describe the danger of a hub that gets documents without TLS, unless it is on this machine."""
    parts = urlsplit(endpoint)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        yield describe_open_connection(parts.hostname or "")


def warn_of_unbound_signers() -> None:
    """Say in the log what `trusted` has come to refuse, until somebody has decided about it in the settings."""
    log.warning(UNBOUND_SIGNERS.en, extra=ABOUT_SETTINGS)


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, by its name or address alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
