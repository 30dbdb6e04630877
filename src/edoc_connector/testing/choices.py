"""Choices by name that tests make: a name that is none is told with those that are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Name = TypeVar("Name", bound=str)
Value = TypeVar("Value")


def choose(choices: Mapping[Name, Value], name: Name, *, what: str) -> Value:
    """Choose a value by its name.

    Args:
        choices: values by their names.
        name: of the one that is wanted.
        what: what is chosen, for the error.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in choices:
        raise ValueError(f"there is no {what} {name!r}; take one of {', '.join(choices)}")
    return choices[name]
