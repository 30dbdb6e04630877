"""asn1crypto's comparison of names in certificates, kept from a stranger's rows of combining marks.

Names are compared in normal form KC (RFC 5280, 7.1; RFC 4518, 2.3), which takes quadratic time in a row of marks and
holds the interpreter meanwhile. asn1crypto, and what builds on it, compares names as soon as a signature, a revocation
list or an answer is looked at. So its own reference to `unicodedata` is replaced, once, by one that refuses.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from ..._core import MAX_MARKS, has_too_many_marks, quieten_logger


class _BoundedUnicodedata:
    """The module `unicodedata`, but for texts that no language has."""

    @staticmethod
    def normalize(form: Any, text: str) -> str:
        if has_too_many_marks(text, form="NFKD"):
            raise ValueError(f"a name with more than {MAX_MARKS} combining marks in a row")
        return unicodedata.normalize(form, text)

    def __getattr__(self, name: str) -> Any:
        return getattr(unicodedata, name)


def bound_asn1_names() -> None:
    """Have asn1crypto raise ValueError for a name with more combining marks in a row than any language writes.

    And have what builds on it, pyHanko, log errors only.
    """
    from asn1crypto import x509  # type: ignore[import-untyped]  # it ships no types

    if x509.unicodedata is unicodedata:
        x509.unicodedata = _BoundedUnicodedata()
        for name in ("pyhanko", "pyhanko_certvalidator"):
            quieten_logger(name)
