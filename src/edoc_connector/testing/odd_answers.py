"""Odd answers of hubs, made of a good one: what proxies, portals and hubs out of order send in its place."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any
from xml.etree import ElementTree

from .scripted_hub import ScriptedAnswer

HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please log in.</body></html>"

_LONG = "x" * 70_000
_VALUES: tuple[Any, ...] = (
    *(None, [], {}, "", " ", "null", "NaN", 0, -1, 1.5, 10**30, True, False, _LONG),
    *(["a"], [None], [[]], [{}], {"a": 1}, {"data": None}, "\u0000", "\ud800", "<html>", "điện"),
)
_STATUSES = (
    *(201, 203, 204, 206, 300, 301, 302, 304, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410),
    *(411, 413, 414, 415, 418, 421, 422, 425, 429, 431, 451, 495, 496, 500, 501, 502, 503, 504, 505, 511, 520, 599),
)
_TEXTS = (
    *(b"", b" ", b"\r\n\r\n", b"null", b"true", b"0", b'"OK"', b"[]", b"[[]]", b"{}", b"[{}]", b"OK", b"NaN"),
    *(b"{", b"}", b"{]", b"'{}'", b"{'status': 'OK'}", b'{"status": OK}', b'{"a":1,"a":2}', b"\x00", b"\xff\xfe"),
    *(HTML, b"<?xml version='1.0'?><error/>", b"<html", b"Unauthorized", b"404 page not found", b"upstream error"),
    *(b"[" * 5000, b'{"a":' * 5000, b"1" * 6000, b'{"code":' + b"9" * 6000 + b"}", b'{"status":"OK","data":NaN}'),
)


@dataclass(frozen=True, slots=True)
class OddAnswer:
    """An odd answer.

    Args:
        name: what is odd about it.
        answer: the answer.
        place: names of the members, and places in lists, that lead to the value that was changed; none where the
            answer as a whole is odd.
        value: the value that stands there now; `REMOVED` where nothing does.
    """

    name: str
    answer: ScriptedAnswer
    place: tuple[str | int, ...] = ()
    value: Any = None


REMOVED = object()


def iter_odd_answers(good: ScriptedAnswer) -> Iterator[OddAnswer]:
    """Make odd answers of a good one: more of them where its body is JSON, or holds a SOAP envelope.

    Args:
        good: the answer.
    """
    yield from _iter_other_texts(good)
    yield from _iter_other_statuses(good)
    try:
        value = json.loads(good.body)
    except ValueError:  # XML, or a packet as it is
        yield from _iter_other_envelopes(good)
        return
    yield from _iter_other_values(value)


def _iter_other_texts(good: ScriptedAnswer) -> Iterator[OddAnswer]:
    def change(other: bytes) -> ScriptedAnswer:
        return replace(good, body=other)

    body, text = good.body, good.body.decode()
    for number, other in enumerate(_TEXTS):
        yield OddAnswer(f"text {number}: {other[:20]!r}", change(other))
        yield OddAnswer(f"text {number} as HTML", ScriptedAnswer(other, content_type="text/html"))
    for part in range(1, 16):
        size = len(body) * part // 16
        yield OddAnswer(f"truncated to {size} bytes", change(body[:size]))
    for encoding in ("utf-16", "utf-16-le", "utf-32", "cp037"):
        yield OddAnswer(f"in {encoding}", change(text.encode(encoding, "replace")))
    yield OddAnswer("not UTF-8", change(body[:-1] + b',"x":"\xc3\x28\xa0"}'))
    yield OddAnswer("compressed and not said so", change(gzip.compress(body)))
    yield OddAnswer("twice", change(body + body))
    yield OddAnswer("with a page behind it", change(body + HTML))
    yield OddAnswer("with a page before it", change(HTML + body))
    yield OddAnswer("in a list", change(b"[" + body + b"]"))
    yield OddAnswer("as a text", change(json.dumps(text).encode()))


def _iter_other_statuses(good: ScriptedAnswer) -> Iterator[OddAnswer]:
    for status in _STATUSES:
        yield OddAnswer(f"HTTP {status} with a success inside", replace(good, status=status))
        yield OddAnswer(f"HTTP {status} with a page", ScriptedAnswer(HTML, status, "text/html"))
        yield OddAnswer(f"HTTP {status} and nothing", ScriptedAnswer(b"", status))


def _iter_other_values(good: Any) -> Iterator[OddAnswer]:
    for place in _iter_places(good):
        for value in (REMOVED, *_VALUES):
            changed = _change(good, place, value)
            name = f"{'.'.join(map(str, place))} = {'nothing' if value is REMOVED else repr(value)[:20]}"
            body = json.dumps(changed).encode()
            yield OddAnswer(name, ScriptedAnswer(body), place, value)


def _iter_places(value: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for name, inner in items:
        yield (*above, name)
        yield from _iter_places(inner, (*above, name))


def _change(value: Any, place: tuple[str | int, ...], other: Any) -> Any:
    """Copy a value with another at a place."""
    name, rest = place[0], place[1:]
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        copy[name] = _change(value[name], rest, other)
    elif other is REMOVED:
        del copy[name]
    else:
        copy[name] = other
    return copy


# --- XML. ---

_ENVELOPE = re.compile(rb"<(\w+:)?Envelope\b.*</(\w+:)?Envelope>", re.DOTALL)
_WORDS = ("", " ", "null", "NaN", "0", "-1", "1", "true", "false", "Success", _LONG, "<html>", "điện", "\u200b")


def _iter_other_envelopes(good: ScriptedAnswer) -> Iterator[OddAnswer]:
    """Make answers whose envelope lacks an element, has one twice, by another name, or with another text."""
    found = _ENVELOPE.search(good.body)
    if found is None:
        return
    root = ElementTree.fromstring(found[0])  # noqa: S314  the test's own text
    for place in _iter_elements(root):
        for value in (REMOVED, _TWICE, _RENAMED, *_WORDS):
            body = good.body[: found.start()] + _change_element(root, place, value) + good.body[found.end() :]
            names = _name_place(root, place)
            shown = _SHOWN.get(id(value)) or repr(value)[:20]
            yield OddAnswer(f"{'.'.join(names)} = {shown}", replace(good, body=body), names, value)


_TWICE, _RENAMED = object(), object()
_SHOWN = {id(REMOVED): "nothing", id(_TWICE): "twice", id(_RENAMED): "by another name"}


def _iter_elements(element: ElementTree.Element, above: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    for number, inner in enumerate(element):
        yield (*above, number)
        yield from _iter_elements(inner, (*above, number))


def _name_place(root: ElementTree.Element, place: tuple[int, ...]) -> tuple[str, ...]:
    names = []
    for number in place:
        root = root[number]
        names.append(root.tag.rpartition("}")[2])
    return tuple(names)


def _change_element(root: ElementTree.Element, place: tuple[int, ...], value: Any) -> bytes:
    """Write the envelope with another element at a place."""
    copy = deepcopy(root)
    parent = copy
    for number in place[:-1]:
        parent = parent[number]
    element = parent[place[-1]]
    if value is REMOVED:
        parent.remove(element)
    elif value is _TWICE:
        parent.insert(place[-1], deepcopy(element))
    elif value is _RENAMED:
        element.tag += "X"
    else:
        element[:], element.text = [], value
    changed: bytes = ElementTree.tostring(copy, "utf-8")
    return changed
