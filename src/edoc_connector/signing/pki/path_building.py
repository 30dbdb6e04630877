"""Building the paths that may lead from a certificate to an anchor, in bounded work (RFC 4158).

Certificates that came with a signature are a stranger's. Building paths by names alone tries every order of them: nine
of one name make a million paths. Here a link must be signed by the next one's key, the answer for each pair is kept,
and the number of questions is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MAX_PATH_LENGTH = 8
"""Most certificates in a path, the anchor among them; paths in Vietnam have three or four."""
MAX_PATHS_TRIED = 16
MAX_SIGNATURE_CHECKS = 200
"""Most signatures of certificates that are checked for one packet or one PDF file: some tens of milliseconds."""
_MAX_OF_ONE_NAME = 2  # an authority that changed its key (RFC 5280, 3.2: self-issued)

Path = tuple[x509.Certificate, ...]
"""A certificate, then those above it, the anchor last."""


class PathWorkExceeded(Exception):
    """Finding a path took more work than any honest chain does."""


@dataclass(slots=True)
class PathBudget:
    """The work that building paths may still take.

    Args:
        checks: signatures of certificates that may still be checked.
    """

    checks: int = MAX_SIGNATURE_CHECKS
    _answers: dict[tuple[x509.Certificate, x509.Certificate], bool] = field(default_factory=dict, repr=False)

    def may_be_signed_by(self, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        """Tell whether a certificate was signed with another's key; asked twice, it is checked once.

        Raises:
            PathWorkExceeded: too many signatures were checked.
        """
        pair = certificate, issuer
        if pair not in self._answers:
            if self.checks <= 0:
                raise PathWorkExceeded
            self.checks -= 1
            self._answers[pair] = may_be_signed_by(certificate, issuer)
        return self._answers[pair]


def iter_paths(
    leaf: x509.Certificate,
    others: Iterable[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    budget: PathBudget,
) -> Iterator[Path]:
    """Iterate over the paths from a certificate to an anchor, shortest steps to an anchor first.

    Args:
        leaf: the certificate.
        others: certificates that may be links.
        anchors: certificates that a path must end at.
        budget: the work that this may take.

    Raises:
        PathWorkExceeded: it takes more.
    """
    by_name: dict[tuple[object, ...], list[x509.Certificate]] = {}
    for candidate in dict.fromkeys((*anchors, *others)):
        if candidate != leaf:
            by_name.setdefault(_normalise_name(candidate.subject), []).append(candidate)
    found = _extend_path((leaf,), by_name, frozenset(anchors), budget)
    for number, path in enumerate(found):
        if number >= MAX_PATHS_TRIED:
            raise PathWorkExceeded
        yield path


def _extend_path(
    path: Path,
    by_name: dict[tuple[object, ...], list[x509.Certificate]],
    anchors: frozenset[x509.Certificate],
    budget: PathBudget,
) -> Iterator[Path]:
    if path[-1] in anchors:
        yield path
        return
    if len(path) >= MAX_PATH_LENGTH:
        return
    name = _normalise_name(path[-1].issuer)
    if sum(_normalise_name(one.subject) == name for one in path) >= _MAX_OF_ONE_NAME:
        return
    keys = {_encode_key(one) for one in path}
    for candidate in by_name.get(name, ()):
        # the same key again is a circle, whatever certificate brings it
        if _encode_key(candidate) not in keys and budget.may_be_signed_by(path[-1], candidate):
            yield from _extend_path((*path, candidate), by_name, anchors, budget)


def may_be_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether a certificate was signed with another's key; nothing else of either is judged.

    One that cannot be checked here, such as one over SHA-1 or by a key of another kind, may be: the validator decides.
    """
    key = issuer.public_key()
    signed = certificate.signature, certificate.tbs_certificate_bytes
    try:
        digest = certificate.signature_hash_algorithm
        if digest is None:  # Ed25519 or Ed448, which no RSA or EC key makes
            return not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
        if isinstance(key, rsa.RSAPublicKey):
            stated = certificate.signature_algorithm_parameters
            key.verify(*signed, stated if isinstance(stated, padding.PSS) else padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(*signed, ec.ECDSA(digest))
    except (InvalidSignature, ValueError, TypeError):
        return False
    except UnsupportedAlgorithm:
        pass
    return True


def _normalise_name(name: x509.Name) -> tuple[object, ...]:
    """Normalise a name so that names that RFC 5280, 7.1, calls the same are equal; a signature decides afterwards."""
    return tuple((one.oid, " ".join(str(one.value).split()).casefold()) for one in name)


def _encode_key(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
