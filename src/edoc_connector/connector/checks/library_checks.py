"""Checks of the libraries that read and verify XML: two that were built on different ones crash, or refuse to load."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from ..._core import Text
from .check import Check, CheckSeverity, Values
from .subject import Subject

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


def _find_bad_pair(_: Subject) -> Values | None:
    try:
        lxml, xmlsec = version("lxml"), version("xmlsec")
    except PackageNotFoundError as error:
        return {"problem": Text(f"{error.name} is not installed", f"chưa cài {error.name}")}
    known = find_known_pair(lxml, xmlsec)
    problem = _find_mismatch() if known is None else known.why
    if problem is None:
        return None
    releases = f"lxml {lxml}, xmlsec {xmlsec}"
    return {"problem": Text(f"{releases}: {problem.en}", f"{releases}: {problem.vi}")}


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


LIBRARY_CHECKS = (
    Check(
        code="CHK-LIBRARIES",
        severity=CheckSeverity.FAIL,
        title=Text("lxml and xmlsec fit together", "lxml và xmlsec tương thích với nhau"),
        sentence=Text("packets cannot be verified: {problem}", "không kiểm tra được gói tin: {problem}"),
        cure=Text(
            "install both anew as they are published, not built here: pip install --upgrade --force-reinstall "
            "--only-binary lxml,xmlsec lxml xmlsec; then start the worker again",
            "hãy cài lại cả hai bản đã phát hành, không tự dựng: pip install --upgrade --force-reinstall --only-binary "
            "lxml,xmlsec lxml xmlsec; sau đó chạy lại tiến trình",
        ),
        find=_find_bad_pair,
        is_slow=True,  # it reads files, and what is installed does not change while a worker runs
    ),
)
