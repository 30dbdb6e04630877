"""lxml and xmlsec: two that were built on different libraries crash, or refuse to load."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from ..._core import Text
from ...errors import ConfigError

Release = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadPair:
    """Releases of lxml and xmlsec that do not work together, whatever they were built on here.

    Args:
        lxml: the first release of lxml, and the first that is right again.
        xmlsec: the same of xmlsec.
        why: what is wrong.
    """

    lxml: tuple[Release, Release]
    xmlsec: tuple[Release, Release]
    why: Text


LIBRARY_CURE = Text(
    "install both anew as they are published, not built here: pip install --upgrade --force-reinstall --only-binary "
    "lxml,xmlsec lxml xmlsec; then start the worker again",
    "hãy cài lại cả hai bản đã phát hành, không tự dựng: pip install --upgrade --force-reinstall --only-binary "
    "lxml,xmlsec lxml xmlsec; sau đó chạy lại tiến trình",
)
_EVER: Release = (1 << 30,)
BAD_PAIRS = (
    BadPair(
        lxml=((0,), (6,)),
        xmlsec=((1, 3, 16), _EVER),
        why=Text(
            "this xmlsec is made for the libxml2 2.14 of lxml 6, and does not load beside an older lxml",
            "xmlsec này dùng libxml2 2.14 của lxml 6, không nạp được cùng lxml cũ hơn",
        ),
    ),
    BadPair(
        lxml=((6,), _EVER),
        xmlsec=((0,), (1, 3, 16)),
        why=Text(
            "this xmlsec is made for the libxml2 of lxml 5, and does not load beside a newer lxml",
            "xmlsec này dùng libxml2 của lxml 5, không nạp được cùng lxml mới hơn",
        ),
    ),
)
"""The pairs that are known not to work: loading both may end the process, so their releases are looked at first."""
_FIRST_SOUND_LIBXMLSEC: Release = (1, 3)
"""Before it, libxmlsec verifies with a key that the packet brings along."""
_loaded: ModuleType | None = None


def load_xmlsec() -> ModuleType:
    """Load xmlsec, where that is safe beside the lxml that is here.

    Raises:
        ConfigError: the two do not fit together, or one is not there; says how to install them.
    """
    global _loaded
    if _loaded is None:
        problem = find_library_problem()
        if problem is not None:
            raise ConfigError(
                f"packets cannot be verified: {problem.en}; {LIBRARY_CURE.en}.",
                vi=f"không kiểm tra được gói tin: {problem.vi}; {LIBRARY_CURE.vi}.",
            )
        _loaded = import_module("xmlsec")
    return _loaded


def find_library_problem() -> Text | None:
    """Find what is wrong with lxml and xmlsec; their releases are looked at before they are loaded."""
    releases = {name: _find_release(name) for name in ("lxml", "xmlsec")}
    known = find_known_pair(releases["lxml"], releases["xmlsec"]) if all(releases.values()) else None
    problem = _find_mismatch() if known is None else known.why
    if problem is None:
        return None
    told = ", ".join(f"{name} {release or '?'}" for name, release in releases.items())
    return Text(f"{told}: {problem.en}", f"{told}: {problem.vi}")


def _find_release(name: str) -> str:
    """Find the release that is installed; empty where no metadata tell, as in a program frozen into one file."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def find_known_pair(lxml: str, xmlsec: str) -> BadPair | None:
    """Find the row of `BAD_PAIRS` for two releases."""
    ours, theirs = parse_release(lxml), parse_release(xmlsec)
    fitting = (pair for pair in BAD_PAIRS if _is_within(ours, pair.lxml) and _is_within(theirs, pair.xmlsec))
    return next(fitting, None)


def _is_within(release: Release, span: tuple[Release, Release]) -> bool:
    return span[0] <= release < span[1]


def parse_release(text: str) -> Release:
    """Read the numbers that a version begins with: ``6.1.0.post1`` is (6, 1, 0)."""
    numbers: list[int] = []
    for part in text.split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return tuple(numbers)


def _find_mismatch() -> Text | None:
    """Load both, and compare what they were built on."""
    from lxml import etree

    try:
        import xmlsec
    except Exception as error:
        return Text(f"xmlsec does not load ({error})", f"không nạp được xmlsec ({error})")
    return compare_builds(
        lxml=etree.LIBXML_COMPILED_VERSION,
        xmlsec=xmlsec.get_libxml_compiled_version(),
        libxmlsec=xmlsec.get_libxmlsec_version(),  # type: ignore[attr-defined]  # its stubs lack this one
    )


def compare_builds(*, lxml: Release, xmlsec: Release, libxmlsec: Release) -> Text | None:
    """Compare what lxml and xmlsec were built on.

    Args:
        lxml: the libxml2 of lxml.
        xmlsec: the libxml2 of xmlsec.
        libxmlsec: the libxmlsec in it.

    Returns:
        What is wrong; None where nothing is.
    """
    if lxml[:2] != xmlsec[:2]:
        ours, theirs = (".".join(map(str, one)) for one in (lxml, xmlsec))
        return Text(
            f"they are built on libxml2 {ours} and {theirs}, and may crash together",
            f"được dựng trên libxml2 {ours} và {theirs} khác nhau, có thể làm dừng chương trình",
        )
    if libxmlsec < _FIRST_SOUND_LIBXMLSEC:
        built = ".".join(map(str, libxmlsec))
        return Text(
            f"it is built on libxmlsec {built}, which trusts a key that the packet brings along",
            f"được dựng trên libxmlsec {built}, bản tin cả khóa do gói tin tự mang theo",
        )
    return None
