"""Fixtures for every test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from lxml import etree

from edoc_connector.edxml.schema import schema

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Packets, captured requests and vectors of other people's software, which lie beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the collected samples are not beside this checkout")
    return SHARED


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes by their kind only: made at import, with the time in them, they would differ between processes."""
    return "bytes" if isinstance(val, bytes) else None


@pytest.fixture(scope="session", autouse=True)
def validated() -> Iterator[list[str]]:
    """Every packet that any test writes is held against the schema of what we write; the kinds written so far."""
    schemas = {kind: schema(kind) for kind in ("document", "status")}
    kinds: list[str] = []
    # the package's attribute of this name is the function, not the module
    module = sys.modules["edoc_connector.edxml.write"]
    stream: Callable[..., None] = module._stream

    def check(plan: Any, out: IO[bytes], signature: Any) -> None:
        stream(plan, out, signature)
        out.flush()
        out.seek(0)
        tree = etree.parse(out, etree.XMLParser(huge_tree=True, resolve_entities=False))
        kind = "document" if tree.find("{*}AttachmentEncoded") is not None else "status"
        schemas[kind].assertValid(tree)
        kinds.append(kind)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_stream", check)
        yield kinds
