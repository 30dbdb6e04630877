"""What a reader of packets found in one, for the page. The hub has no such reader: one is given to it.

The hub shares no code with what it is used to test; who runs it may lend it the library's own eyes
(`MockHubConfig.inspector`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

Tone: TypeAlias = Literal["good", "bad", "wait", "info", "plain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Something that was seen in a packet.

    Args:
        code: of its kind.
        tone: how much it weighs.
        vi: what it is, in Vietnamese.
        en: what it is, in English.
        place: where in the packet; empty where it is nowhere.
    """

    code: str
    tone: Tone
    vi: str
    en: str
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found in a packet.

    Args:
        findings: the deviations from the standard.
        signature: what the signature is worth; None where that was not judged.
        signer: who signed, empty where nobody is known.
    """

    findings: tuple[Observation, ...]
    signature: Observation | None
    signer: str = ""


Inspector: TypeAlias = Callable[[Path], Inspection]
