"""The choice among several keys of one file, by their certificates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NoReturn

from cryptography import x509

from ..._core import get_logger
from ...errors import SigningError
from ..algorithms import PrivateKey
from ..pki import fingerprint, human_name, is_same_key
from ..signer import refuse_unfit
from .uri import KeyUri

log = get_logger("edoc_connector.signing")

_Pair = tuple[PrivateKey, x509.Certificate]


def choose_key(
    uri: KeyUri, keys: Sequence[PrivateKey], certificates: Sequence[x509.Certificate], at: datetime
) -> tuple[PrivateKey, x509.Certificate]:
    """Choose the key of a file that signs, and its certificate.

    A key without a certificate is left out. Where several are left, the ``fingerprint`` of the URI decides; without
    one, the only key whose certificate is fit to sign now; of several for the same holder, the newest. What was
    chosen, and from what, goes to the log.

    Args:
        uri: the URI of the file.
        keys: the keys in it.
        certificates: the certificates that the key may have.
        at: the moment to judge at, aware.

    Raises:
        SigningError: no certificate fits, or several holders' do; the message lists them.
    """
    pairs = [pair for key in keys if (pair := _pair_up(key, certificates)) is not None]
    if not pairs:
        raise SigningError(
            f"none of the certificates given is for the key in {uri.path}; name the right one with cert=",
            vi=f"không có chứng thư số nào tương ứng với khóa trong {uri.path}; hãy chỉ đúng chứng thư số bằng cert=",
        )
    wanted = uri.query.get("fingerprint", (None,))[0]
    chosen = _choose_named(uri, pairs, wanted) if wanted is not None else _choose_fit(uri, pairs, at)
    if len(keys) > 1:
        log.info("%s holds %d keys; that of %s signs", uri.redacted, len(keys), _describe(chosen))
    return chosen


def _pair_up(key: PrivateKey, certificates: Sequence[x509.Certificate]) -> _Pair | None:
    public = key.public_key()
    own = [one for one in certificates if is_same_key(one.public_key(), public)]  # type: ignore[arg-type]  # any kind has the method
    # a renewed certificate may lie beside the old one for the same key: the newest counts
    return (key, max(own, key=lambda one: one.not_valid_after_utc)) if own else None


def _choose_named(uri: KeyUri, pairs: Sequence[_Pair], wanted: str) -> _Pair:
    plain = wanted.removeprefix("sha256:").replace(":", "").lower()
    for pair in pairs:
        if fingerprint(pair[1]) == plain:
            return pair
    raise SigningError(
        f"no key in {uri.path} has a certificate with that fingerprint; it holds {_list_pairs(pairs)}",
        vi=f"không khóa nào trong {uri.path} có chứng thư số mang mã băm đó; tệp chứa {_list_pairs(pairs)}",
    )


def _choose_fit(uri: KeyUri, pairs: Sequence[_Pair], at: datetime) -> _Pair:
    fit = [pair for pair in pairs if _is_fit(pair[1], at)] or list(pairs)
    if len({pair[1].subject for pair in fit}) > 1:
        _refuse_to_guess(uri, fit)
    return max(fit, key=lambda pair: (pair[1].not_valid_before_utc, pair[1].not_valid_after_utc))


def _is_fit(certificate: x509.Certificate, at: datetime) -> bool:
    try:
        refuse_unfit(certificate, at)
    except SigningError:
        return False
    return True


def _refuse_to_guess(uri: KeyUri, pairs: Sequence[_Pair]) -> NoReturn:
    raise SigningError(
        f"{uri.path} holds keys of several holders: {_list_pairs(pairs)}; say which one signs: add "
        "fingerprint=HEX or cert=FILE to the key's URI",
        vi=f"{uri.path} chứa khóa của nhiều chủ thể: {_list_pairs(pairs)}; hãy chỉ rõ khóa dùng để ký: thêm "
        "fingerprint=HEX hoặc cert=TỆP vào URI của khóa",
    )


def _list_pairs(pairs: Sequence[_Pair]) -> str:
    return "; ".join(map(_describe, pairs))


def _describe(pair: _Pair) -> str:
    certificate = pair[1]
    return f"{human_name(certificate)} (to {certificate.not_valid_after_utc:%Y-%m-%d}, {fingerprint(certificate)})"
