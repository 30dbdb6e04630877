"""The policy of a receiver: trusted authorities, accepted algorithms, the moment to judge at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from cryptography import x509

from ..._core import Labelled, Text, label_members
from ...errors import ConfigError, describe_system_error, describe_system_error_vi
from ..algorithms import DIGESTS, SIGNATURES
from ..reasons import VerificationStatus
from .certificates import CURVES, MINIMUM_RSA_BITS, read_certificates
from .organisations import Binding, CodeDirectory, OthersMode, check_code, check_entry, find_binding, list_named_codes
from .revocation import Revocation, RevocationMode

if TYPE_CHECKING:
    from ..xmlsig import Verification

STRONG_SIGNATURES = frozenset(name for name, one in SIGNATURES.items() if one.digest != "sha1")
STRONG_DIGESTS = frozenset(name for name in DIGESTS if name != "sha1")
_SUFFIXES = {".pem", ".crt", ".cer", ".der", ".p7b", ".p7c"}


@label_members(
    {
        "trusted": Text("signed, and trusted", "có chữ ký tin cậy"),
        "valid": Text("signed", "có chữ ký hợp lệ"),
        "any": Text("anything", "không yêu cầu chữ ký"),
    }
)
class VerifyMode(Labelled, StrEnum):
    """The proof that a packet must bring."""

    TRUSTED = "trusted"
    """Signed, and by a certificate that leads to a trusted authority."""
    VALID = "valid"
    """Signed, by whomever."""
    ANY = "any"
    """Findings are recorded, nothing is demanded: most of today's packets are unsigned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyPolicy:
    """The rules by which a receiver accepts packets.

    Args:
        mode: the proof that a packet must bring. Under TRUSTED a signature whose certificate is not trusted makes the
            packet UNVERIFIABLE; otherwise that is only reported (`Verification.trusted`, findings).
        anchors: certificates trusted by themselves, usually those of root authorities.
        intermediates: further certificates that may stand between an anchor and a signer.
        at: the moment certificates are judged at, aware. Left out it is the moment of verifying: the one time that the
            sender cannot choose. To judge an old packet again, give the time it was received.
        signature_algorithms: accepted names, e.g. ``rsa-sha256``.
        digest_algorithms: accepted hashes.
        minimum_rsa_bits: shortest RSA key.
        curves: accepted elliptic curves.
        organisations: by OrganId, the certificates an organisation signs with: ``sha256:`` and the hex fingerprint;
            ``tax:``, ``budget:`` or ``code:`` and the tax code, the code of a unit of the state budget or the code of
            the organisation, as the subject's UID, organizationIdentifier or serialNumber has it; or the parts of the
            subject that it must have, as RFC 4514 writes them (``O=Sở Nội vụ,C=VN``). All but a fingerprint count only
            under a trusted authority.
        organisations_others: what becomes of a signer whom neither an entry nor the certificate's own attributes bind
            to the sender's code. Left out, TRUSTED refuses it and the other modes report it (``SIG-UNBOUND``).
        directory: pairs the codes of one agency, e.g. `edxml.Directory`, so that entries for one of them count for all.
        legacy_sha1: accept RSA-SHA1 and SHA-1; every use is reported.
        second_verifier_limit: largest packet, in bytes, that the second verifier reads into memory.
        revocation: whether and how certificates are checked for having been revoked; left out they are not, and nothing
            is fetched from anywhere.
        timestamp_anchors: certificates trusted for time-stamps; left out, `anchors` are. Nothing but a time-stamp is
            believed on their word.

    ``VerifyPolicy.TRUSTED``, ``VerifyPolicy.VALID`` and ``VerifyPolicy.ANY`` are other names of the three modes.

    Raises:
        ConfigError: TRUSTED or revocation without an anchor, `at` without an offset, an organisation's entry of no
            known form, or a code that is none.
    """

    TRUSTED: ClassVar[VerifyMode] = VerifyMode.TRUSTED
    VALID: ClassVar[VerifyMode] = VerifyMode.VALID
    ANY: ClassVar[VerifyMode] = VerifyMode.ANY

    mode: VerifyMode = VerifyMode.ANY
    anchors: tuple[x509.Certificate, ...] = ()
    intermediates: tuple[x509.Certificate, ...] = ()
    at: datetime | None = None
    signature_algorithms: frozenset[str] = STRONG_SIGNATURES
    digest_algorithms: frozenset[str] = STRONG_DIGESTS
    minimum_rsa_bits: int = MINIMUM_RSA_BITS
    curves: tuple[str, ...] = CURVES
    organisations: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    organisations_others: OthersMode | None = None
    directory: CodeDirectory | None = field(default=None, hash=False, repr=False)
    legacy_sha1: bool = False
    second_verifier_limit: int = 8 << 20
    revocation: Revocation = Revocation()  # noqa: RUF009 - a frozen value
    timestamp_anchors: tuple[x509.Certificate, ...] = ()

    def __post_init__(self) -> None:
        if self.mode is VerifyMode.TRUSTED and not self.anchors:
            raise ConfigError(
                "the policy asks for trusted signatures but names no trusted authority; add its certificates",
                vi="chính sách yêu cầu chữ ký tin cậy nhưng chưa có tổ chức chứng thực nào; hãy thêm vào",
            )
        if self.revocation.mode is not RevocationMode.NONE and not self.anchors:
            raise ConfigError(
                "revocation is to be checked but no trusted authority is named, whose word would count; add it",
                vi="yêu cầu kiểm tra thu hồi nhưng chưa có tổ chức chứng thực tin cậy nào; hãy thêm chứng thư số",
            )
        if self.at is not None and self.at.tzinfo is None:
            raise ConfigError(
                "the moment to judge certificates at has no time zone; give an offset, e.g. +07:00",
                vi="thời điểm xét chứng thư số thiếu múi giờ; hãy ghi rõ, ví dụ +07:00",
            )
        for name, entries in self.organisations.items():
            check_code(name)
            for entry in entries:
                check_entry(entry)

    @classmethod
    def load(
        cls,
        paths: Iterable[str | PathLike[str]],
        *,
        mode: VerifyMode = VerifyMode.TRUSTED,
        intermediates: Iterable[str | PathLike[str]] = (),
        at: datetime | None = None,
        organisations: Mapping[str, tuple[str, ...]] | None = None,
        organisations_others: OthersMode | None = None,
        directory: CodeDirectory | None = None,
        legacy_sha1: bool = False,
        revocation: Revocation | None = None,
        timestamp_anchors: Iterable[str | PathLike[str]] = (),
    ) -> VerifyPolicy:
        """Load a policy whose certificates are in files (PEM, DER, .p7b), any number in each, or in folders of files.

        Args:
            paths: files and folders of the trusted authorities' certificates.
            mode: the proof that a packet must bring.
            intermediates: files and folders of certificates that may stand between an anchor and a signer.
            at: the moment to judge at, aware; left out, the moment of verifying.
            organisations: by OrganId, the certificates that an organisation signs with; see the class.
            organisations_others: what becomes of other signers; see the class.
            directory: pairs the codes of one agency.
            legacy_sha1: accept RSA-SHA1 and SHA-1.
            revocation: the check for revoked certificates; left out, there is none.
            timestamp_anchors: files and folders of certificates trusted for time-stamps.

        Raises:
            ConfigError: a file cannot be read or holds no certificate.
        """
        return cls(
            mode=mode,
            anchors=tuple(_load_certificates(paths)),
            intermediates=tuple(_load_certificates(intermediates)),
            at=at,
            organisations=organisations or {},
            organisations_others=organisations_others,
            directory=directory,
            legacy_sha1=legacy_sha1,
            revocation=revocation or Revocation(),
            timestamp_anchors=tuple(_load_certificates(timestamp_anchors)),
        )

    def admits(self, verification: Verification) -> bool:
        """Tell whether a packet with this verification may come in."""
        if self.mode is VerifyMode.ANY:
            return True
        if verification.status is not VerificationStatus.VALID:
            return False
        return self.mode is VerifyMode.VALID or verification.trusted is True

    def speaks_for(self, organ_id: str, certificate: x509.Certificate, *, trusted: bool) -> bool:
        """Tell whether a certificate may sign for an organisation, as far as the policy lists any.

        Args:
            organ_id: the organisation's code, in any spelling.
            certificate: the signer's certificate.
            trusted: whether the certificate leads to an anchor; only then a subject counts.
        """
        return self.find_binding(organ_id, certificate, trusted=trusted) in (Binding.BOUND, Binding.UNBOUND)

    def find_binding(self, organ_id: str, certificate: x509.Certificate, *, trusted: bool) -> Binding:
        """Find what ties a certificate to an organisation's code.

        Args:
            organ_id: the code, in any spelling.
            certificate: the signer's certificate.
            trusted: whether the certificate leads to an anchor; only then its subject counts.
        """
        return find_binding(
            organ_id, certificate, trusted=trusted, organisations=self.organisations, directory=self.directory
        )

    def excludes(self, organ_id: str, certificate: x509.Certificate, *, trusted: bool) -> bool:
        """Tell whether an organisation's certificates are listed under its own code, and this one is none of them.

        No directory is asked.

        Args:
            organ_id: the organisation's code.
            certificate: the signer's certificate.
            trusted: whether the certificate leads to an anchor.
        """
        binding = find_binding(organ_id, certificate, trusted=trusted, organisations=self.organisations, directory=None)
        return binding is Binding.CONTRADICTED

    def find_organisation(self, organ_id: str, certificate: x509.Certificate, *, trusted: bool) -> str:
        """Find the organisation that a certificate is bound to.

        Args:
            organ_id: the code that is looked at first.
            certificate: the signer's certificate.
            trusted: whether the certificate leads to an anchor.

        Returns:
            `organ_id` where it is bound to that, else the code of another; empty where it is bound to none.
        """
        codes = (organ_id, *self.organisations, *list_named_codes(certificate))
        bound = (code for code in codes if self.find_binding(code, certificate, trusted=trusted) is Binding.BOUND)
        return next(bound, "")

    @property
    def refuses_others(self) -> bool:
        """Whether a signer is refused whom nothing binds to the sender's code."""
        if self.organisations_others is None:
            return self.mode is VerifyMode.TRUSTED
        return self.organisations_others is OthersMode.REFUSE


def _load_certificates(paths: Iterable[str | PathLike[str]]) -> Iterable[x509.Certificate]:
    for path in map(Path, paths):
        files = sorted(f for f in path.iterdir() if f.suffix.lower() in _SUFFIXES) if path.is_dir() else [path]
        for file in files:
            yield from _read_file(file)


def _read_file(file: Path) -> list[x509.Certificate]:
    try:
        return read_certificates(file.read_bytes())
    except OSError as error:
        why, why_vi = describe_system_error(error), describe_system_error_vi(error)
    except ValueError as error:
        why, why_vi = str(error), "nội dung không phải chứng thư số"
    raise ConfigError(
        f"cannot read certificates from {file}: {why}; give PEM, DER or .p7b files of the trusted authorities",
        vi=f"không đọc được chứng thư số từ {file}: {why_vi}; hãy chỉ tệp PEM, DER hoặc .p7b của tổ chức "
        "chứng thực tin cậy",
    )
