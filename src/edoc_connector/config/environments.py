"""The environments of a file: ``[env.NAME]`` tables that are laid over the rest, and what two of them may not share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .messages import (
    build_environment_choice_error,
    build_environments_form_error,
    build_shared_credential_error,
    build_shared_store_error,
)
from .secret_refs import SecretRef
from .sections import StoreSettings
from .toml_file import merge_sections

ENVIRONMENT_VARIABLE = "EDOC_ENV"
ENVIRONMENT_SECTION = "env"
PRODUCTION_ENVIRONMENT = "production"

_CREDENTIAL_SECTIONS = ("hub", "hubs", "http")
_QUIET_SCHEMES = frozenset({"env", "file"})
"""Schemes whose secrets are compared: a program is not run for that, it may ask a person."""


class Environments:
    """The environments of a file.

    Args:
        values: the sections of the file; ``env`` is taken out of them.
        path: the file.

    Raises:
        ConfigError: ``env`` holds no sections.
    """

    def __init__(self, values: Mapping[str, Any], path: Path) -> None:
        self._path = path
        self._root = {name: value for name, value in values.items() if name != ENVIRONMENT_SECTION}
        self._sections: Mapping[str, Mapping[str, Any]] = values.get(ENVIRONMENT_SECTION, {})
        if not isinstance(self._sections, Mapping) or not all(
            isinstance(sections, Mapping) for sections in self._sections.values()
        ):
            raise build_environments_form_error()

    def choose(self, wanted: str | None) -> str:
        """Choose the environment; empty where the file has none.

        Args:
            wanted: its name; None for what ``EDOC_ENV`` says, empty for none.

        Raises:
            ConfigError: the file has none of that name, or has some and none was named.
        """
        name = os.environ.get(ENVIRONMENT_VARIABLE, "") if wanted is None else wanted
        if name not in self._sections and (name or self._sections):
            raise build_environment_choice_error(self._path, self._sections, name)
        return name

    def lay(self, name: str) -> dict[str, Any]:
        """Lay the sections of an environment over the file's; production implies the profile of that name."""
        values = merge_sections(self._root, self._sections[name]) if name else dict(self._root)
        if name == PRODUCTION_ENVIRONMENT:
            values.setdefault("profile", PRODUCTION_ENVIRONMENT)
        return values

    def refuse_shared(self, name: str, values: Mapping[str, Any]) -> None:
        """Refuse settings of an environment that another one has too: credentials of the hub, and the store.

        Args:
            name: the environment.
            values: its settings, with those of the process's own variables.

        Raises:
            ConfigError: names the two environments, and what they share.
        """
        for other in self._sections:
            if other != name:
                self._refuse_shared_with(other, name, values)

    def _refuse_shared_with(self, other: str, name: str, values: Mapping[str, Any]) -> None:
        others, folder = self.lay(other), self._path.absolute().parent
        ours, theirs = dict(_list_credentials(values)), dict(_list_credentials(others))
        for (setting, one), (_, another) in product(ours.items(), theirs.items()):
            if one == another or _resolve_to_same(one, another, folder):
                raise build_shared_credential_error(setting, name, other)
        ours_kept, theirs_kept = dict(_list_places(values, folder)), dict(_list_places(others, folder))
        for place in ours_kept.keys() & theirs_kept.keys():
            raise build_shared_store_error(ours_kept[place], name, other)


def _list_members(values: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """List the sections of each agency, or those of the file where it is of one agency."""
    members = values.get("agencies")
    if not isinstance(members, Mapping) or not members:
        yield values
        return
    for sections in members.values():
        if isinstance(sections, Mapping):
            yield merge_sections(values, sections)


def _list_credentials(values: Mapping[str, Any]) -> Iterator[tuple[str, SecretRef]]:
    """List the references to secrets with which a hub is called, by the names of their settings."""
    for member in _list_members(values):
        for section in _CREDENTIAL_SECTIONS:
            yield from _list_references(section, member.get(section))


def _list_references(setting: str, value: Any) -> Iterator[tuple[str, SecretRef]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _list_references(f"{setting}.{name}", inner)
    elif isinstance(value, str) and SecretRef.is_reference(value):
        yield setting, SecretRef.parse(value)


def _resolve_to_same(one: SecretRef, another: SecretRef, folder: Path) -> bool:
    """Tell whether two references lead to one secret; not where one leads nowhere yet, or to another's file."""
    if not {one.scheme, another.scheme} <= _QUIET_SCHEMES:
        return False
    try:
        return one.resolve(folder).get_secret_value() == another.resolve(folder).get_secret_value()
    except ConfigError:
        return False


def _list_places(values: Mapping[str, Any], folder: Path) -> Iterator[tuple[str, str]]:
    """List the databases and folders of packets, and their settings."""
    for member in _list_members(values):
        given = member.get("store")
        store = given if isinstance(given, Mapping) else {}
        url = str(store.get("url", StoreSettings.model_fields["url"].default))
        scheme, _, path = url.partition(":///")
        yield (f"sqlite:{folder / path}" if scheme.startswith("sqlite") else url), "store.url"
        yield f"spool:{folder / str(store.get('spool', StoreSettings.model_fields['spool'].default))}", "store.spool"
