"""Whose certificate it is: the certificates that may sign for an organisation, by configuration or by what they say.

Under one common authority any agency's certificate would sign for every agency. So a signer counts as the sender only
where something binds its certificate to the code in ``From.OrganId``: an entry of `VerifyPolicy.organisations`, or the
code in an attribute of the certificate's subject that names the holder, on the word of a trusted authority.

Certificates of Vietnamese authorities name the holder in UID, one value each: ``MST:`` and the tax code, ``MNS:`` and
the code of a unit that the state budget pays. Others use organizationIdentifier (X.520, 6.4.2; EN 319 412-1, 5.1.4).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from cryptography import x509
from cryptography.x509.oid import NameOID

from ..._core import Labelled, Text, label_members, parse_name
from ...edxml import CodeSystem, OrganId
from ...errors import ConfigError
from .certificates import fingerprint

HOLDER_ATTRIBUTES = (NameOID.ORGANIZATION_IDENTIFIER, NameOID.SERIAL_NUMBER, NameOID.USER_ID)
"""Attributes of a subject that identify its holder; an authority checks them, as it does not check an OU."""

_TAX_NUMBER = "[0-9]{10}(?:-?[0-9]{3})?|[0-9]{12}"
_BUDGET_NUMBER = "[0-9]{5,9}"
_ORGAN_CODE = "[0-9A-Z]+(?:[._-][0-9A-Z]+)*"
_FLAGS = re.ASCII | re.IGNORECASE
_VALUES = {
    "tax": re.compile(rf"(?:MST\s*:\s*|VATVN-)({_TAX_NUMBER})", _FLAGS),
    "budget": re.compile(rf"MNS\s*:\s*({_BUDGET_NUMBER})", _FLAGS),
    "code": re.compile(rf"(?:GOVVN-)?({_ORGAN_CODE})", _FLAGS),
}
"""The values of a holder attribute, by the kind of entry that names them."""
_ENTRIES = {
    "tax": re.compile(_TAX_NUMBER),
    "budget": re.compile(_BUDGET_NUMBER),
    "code": re.compile(_ORGAN_CODE, _FLAGS),
}


@label_members(
    {
        "refuse": Text("refuse", "từ chối"),
        "report": Text("report", "chỉ ghi nhận"),
    }
)
class OthersMode(Labelled, StrEnum):
    """What becomes of a signer whom nothing binds to the sender's code."""

    REFUSE = "refuse"
    """The packet is UNVERIFIABLE."""
    REPORT = "report"
    """A finding."""


@label_members(
    {
        "bound": Text("bound to the code", "gắn với mã định danh"),
        "unbound": Text("bound to nobody", "chưa gắn với mã định danh nào"),
        "contradicted": Text("of another organisation", "của cơ quan khác"),
        "malformed": Text("the code is none", "mã định danh không đúng dạng"),
    }
)
class Binding(Labelled, StrEnum):
    """What ties a certificate to the code of an organisation."""

    BOUND = "bound"
    """An entry, or an attribute of the certificate."""
    UNBOUND = "unbound"
    """Nothing."""
    CONTRADICTED = "contradicted"
    """The organisation's certificates are listed, and this is none of them."""
    MALFORMED = "malformed"
    """The code is none: it holds characters that no code has."""


class CodeDirectory(Protocol):
    """A directory that knows which codes are those of one agency; `edxml.Directory` is one."""

    def __contains__(self, code: OrganId | str) -> bool: ...

    def codes(self, code: OrganId | str) -> frozenset[OrganId]:
        """List all codes of the agency with this code."""
        ...


def find_binding(
    organ_id: str,
    certificate: x509.Certificate,
    *,
    trusted: bool,
    organisations: Mapping[str, tuple[str, ...]],
    directory: CodeDirectory | None,
) -> Binding:
    """Find what ties a certificate to the code that a packet names as its sender.

    A code that is listed counts with its own entries alone. Another spelling of it (`OrganId.spelling`), and another
    code of the same agency, count with them too, so that no way of writing a code gets round its entries.

    Args:
        organ_id: the code, in any spelling.
        certificate: the signer's certificate.
        trusted: whether the certificate leads to an anchor: only then its subject counts.
        organisations: entries by code, see `VerifyPolicy`.
        directory: pairs the codes of one agency; without it, each code stands alone.
    """
    code = parse_code(organ_id)
    if not code.is_well_formed:
        return Binding.MALFORMED if code.value else Binding.UNBOUND
    # a directory is asked only where its answer can count
    aliases, is_known = _look_up(code, directory if trusted or organisations else None)
    entries, is_exact = _find_entries(code, aliases, organisations)
    if entries is None:
        is_named = trusted and not aliases.isdisjoint(_iter_organ_codes(certificate))
        return Binding.BOUND if is_named and is_known else Binding.UNBOUND
    if not any(is_match(entry, certificate, trusted=trusted) for entry in entries):
        return Binding.CONTRADICTED
    # a code outside the grammars counts only as it is held, letter by letter
    return Binding.BOUND if is_known or is_exact else Binding.UNBOUND


def _look_up(code: OrganId, directory: CodeDirectory | None) -> tuple[frozenset[OrganId], bool]:
    """Look up the codes of the agency with this code, and whether it is known: by its grammar or the directory."""
    is_in_grammar = code.system is not CodeSystem.OTHER
    if directory is None:
        return frozenset({code}), is_in_grammar
    return directory.codes(code), is_in_grammar or code in directory


def list_named_codes(certificate: x509.Certificate) -> tuple[str, ...]:
    """List what may be codes of organisations among the attributes that identify a certificate's holder."""
    return tuple(code.value for code in _iter_organ_codes(certificate))


def parse_code(organ_id: str) -> OrganId:
    """Parse a code as the readers of a packet compare it: ``h29.05`` is H29.05 to them."""
    return OrganId.parse(organ_id) if len(organ_id) > _MAX_CACHED_LENGTH else _parse_code_cached(organ_id)


_parse_code_cached = lru_cache(1024)(OrganId.parse)
_MAX_CACHED_LENGTH = 64  # characters; a stranger's endless codes shall not fill the memory


def _find_entries(
    code: OrganId, aliases: Collection[OrganId], organisations: Mapping[str, tuple[str, ...]]
) -> tuple[list[str] | None, bool]:
    """Find the entries that count for a code, None where there are none, and whether they stand under itself."""
    listed = [(parse_code(name), entries) for name, entries in organisations.items()]
    for is_exact, is_listed in (
        (True, lambda one: one == code),
        (False, lambda one: _spell(one) == _spell(code)),
        (False, lambda one: one in aliases),
        (False, lambda one: any(_spell(one) == _spell(alias) for alias in aliases)),
    ):
        found = [entries for one, entries in listed if is_listed(one)]
        if found:
            return [entry for entries in found for entry in entries], is_exact
    return None, False


@lru_cache(4096)
def _spell(code: OrganId) -> tuple[str, ...]:
    return code.spelling


# -- entries


def is_match(entry: str, certificate: x509.Certificate, *, trusted: bool) -> bool:
    """Tell whether an entry names a certificate."""
    kind, _, value = entry.partition(":")
    if kind == "sha256":
        return _parse_fingerprint(value) == fingerprint(certificate)
    if not trusted:
        return False
    if kind in _VALUES:
        return _normalise_value(kind, value) in set(_iter_holder_values(certificate, kind))
    return set(parse_name(entry)) <= set(certificate.subject)


def check_entry(entry: str) -> None:
    """Check the form of an entry.

    Raises:
        ConfigError: the entry is of no known form.
    """
    kind, _, value = entry.partition(":")
    if kind == "sha256":
        fits = re.fullmatch("[0-9a-f]{64}", _parse_fingerprint(value)) is not None
    elif kind in _ENTRIES:
        fits = _ENTRIES[kind].fullmatch(value.strip()) is not None
    else:
        try:
            fits = len(list(parse_name(entry))) > 0
        except ValueError:
            fits = False
    if not fits:
        raise ConfigError(
            f"'{entry}' names no certificate; write sha256:<64 hex digits>, tax:<tax code>, budget:<budget code>, "
            "code:<code of the organisation> or parts of the subject such as O=Sở Nội vụ,C=VN",
            vi=f"'{entry}' không chỉ ra chứng thư số nào; viết sha256:<64 chữ số hex>, tax:<mã số thuế>, "
            "budget:<mã đơn vị quan hệ ngân sách>, code:<mã định danh> hoặc các phần của subject như O=Sở Nội vụ,C=VN",
        )


def check_code(organ_id: str) -> None:
    """Check a code of the configuration.

    Raises:
        ConfigError: the code holds characters that no code has.
    """
    if not parse_code(organ_id).is_well_formed:
        shown = organ_id.encode("unicode_escape").decode("ascii")
        raise ConfigError(
            f"'{shown}' is no code of an organisation; write it with letters A-Z, digits and single dots, e.g. H29.05",
            vi=f"'{shown}' không phải mã định danh; chỉ dùng chữ cái A-Z, chữ số và dấu chấm đơn, ví dụ H29.05",
        )


def _parse_fingerprint(value: str) -> str:
    return value.replace(":", "").lower()


def _iter_organ_codes(certificate: x509.Certificate) -> Iterator[OrganId]:
    return (parse_code(value) for value in _iter_holder_values(certificate, "code"))


def _iter_holder_values(certificate: x509.Certificate, kind: str) -> Iterator[str]:
    """Iterate over the values of a kind among the attributes that identify a certificate's holder."""
    for oid in HOLDER_ATTRIBUTES:
        for attribute in certificate.subject.get_attributes_for_oid(oid):
            if found := _VALUES[kind].fullmatch(str(attribute.value).strip()):
                yield _normalise_value(kind, found.group(1))


def _normalise_value(kind: str, value: str) -> str:
    return parse_code(value).value if kind == "code" else value.strip().replace("-", "")
