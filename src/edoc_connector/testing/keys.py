"""Throwaway keys for tests and for the demonstration: root authority → issuing authority → agency. Never for real use.

Keys are made once per process and kept, because RSA keys take long to make::

    agency = agency_keys("Sở Nội vụ", organ_id="H29.05")
    agency.signer()                                   # signs packets
    agency.write_p12(folder / "agency.p12", password="…")
    VerifyPolicy(mode=VerifyMode.TRUSTED, anchors=(agency.root,))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .._core import utc_now, write_private
from ..signing import Clock, LocalSigner
from .choices import choose

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Kind = Literal["rsa", "rsa1024", "rsa3072", "p256", "p384", "p521"]

_MAKERS: dict[Kind, Callable[[], PrivateKey]] = {
    "rsa": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "rsa1024": lambda: rsa.generate_private_key(public_exponent=65537, key_size=1024),  # noqa: S505 - to be refused
    "rsa3072": lambda: rsa.generate_private_key(public_exponent=65537, key_size=3072),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
}
_KEY_CACHE: dict[tuple[Kind, str], PrivateKey] = {}
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyKeys:
    """An agency's key and certificate, with those above it.

    Args:
        key: private key.
        certificates: the agency's certificate, the issuing authority's, the root's.
    """

    key: PrivateKey = field(repr=False)
    certificates: tuple[x509.Certificate, ...]

    @property
    def certificate(self) -> x509.Certificate:
        """The agency's certificate."""
        return self.certificates[0]

    @property
    def root(self) -> x509.Certificate:
        """The root authority's certificate, which a receiver trusts."""
        return self.certificates[-1]

    def signer(self, *, clock: Clock = utc_now) -> LocalSigner:
        """Build a signer with this key; it brings the certificates below the root."""
        return LocalSigner(key=self.key, certificates=self.certificates[:-1] or self.certificates, clock=clock)

    def write_pem(self, path: Path, *, password: str | None = None) -> str:
        """Write key (PKCS#8) and certificates into one PEM file; gives the URI for `load_signer`."""
        encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        write_private(
            path, key + b"".join(certificate.public_bytes(Encoding.PEM) for certificate in self.certificates[:-1])
        )
        return f"pem:{path}"

    def write_p12(self, path: Path, *, password: str, legacy: bool = False) -> str:
        """Write a PKCS#12 file; gives the URI for `load_signer`.

        Args:
            path: the file.
            password: its password.
            legacy: 3DES with SHA-1, as older software writes, instead of AES with PBES2.
        """
        encryption: KeySerializationEncryption
        if legacy:
            builder = PrivateFormat.PKCS12.encryption_builder()
            encryption = (
                builder.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
                .hmac_hash(hashes.SHA1())  # noqa: S303 - what older files have
                .kdf_rounds(2048)
                .build(password.encode())
            )
        else:
            encryption = BestAvailableEncryption(password.encode())
        name, others = b"agency", self.certificates[1:-1]
        data = pkcs12.serialize_key_and_certificates(name, self.key, self.certificate, others, encryption)
        write_private(path, data)
        return f"p12:{path}"

    def write_root(self, path: Path) -> Path:
        """Write the root authority's certificate as PEM: for `VerifyPolicy.load` and `edoc verify --trust`."""
        write_private(path, self.root.public_bytes(Encoding.PEM))
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A certificate authority.

    Args:
        key: private key.
        certificates: its certificate, then those above it.
    """

    key: PrivateKey = field(repr=False)
    certificates: tuple[x509.Certificate, ...]

    def agency(
        self,
        name: str,
        *,
        organ_id: str = "",
        kind: Kind = "rsa",
        key_name: str = "",
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        signing: bool = True,
        uses: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.EMAIL_PROTECTION,),
        extensions: Sequence[x509.ExtensionType] = (),
    ) -> AgencyKeys:
        """Issue a certificate to an agency.

        Args:
            name: the agency's name (CN and O of the subject).
            organ_id: its OrganId (OU and organizationIdentifier of the subject).
            kind: kind of key.
            key_name: which key of that kind; the same name gives the same key in one process.
            not_before: from when it is valid; a day ago if left out.
            not_after: until when; in a year if left out.
            signing: whether key usage allows signing.
            uses: extended key usage; critical where it is that of a time-stamp authority.
            extensions: further extensions, e.g. where revocation is told.

        Raises:
            ValueError: there is no such kind of key.
        """
        key = make_throwaway_key(kind, key_name or f"{name} {organ_id}")
        now = datetime.now(UTC)
        builder = (
            _start_builder(_build_name(name, organ_id), self.certificates[0].subject, key)
            .not_valid_before(not_before or now - _DAY)
            .not_valid_after(not_after or now + 365 * _DAY)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_build_key_usage(digital_signature=signing, content_commitment=signing), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=ExtendedKeyUsageOID.TIME_STAMPING in uses)
            .add_extension(_build_authority_id(self.key), critical=False)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        return AgencyKeys(key=key, certificates=(certificate, *self.certificates))


def authority(name: str = "Throwaway CA", *, kind: Kind = "p256") -> Authority:
    """Make a root authority and an issuing authority below it; valid for ten years from a month ago.

    Args:
        name: beginning of their names.
        kind: kind of their keys.

    Raises:
        ValueError: there is no such kind of key.
    """
    root_key, issuing_key = make_throwaway_key(kind, f"{name} root"), make_throwaway_key(kind, f"{name} issuing")
    root_name, issuing_name = _build_name(f"{name} Root"), _build_name(f"{name} Issuing")
    root = _issue_ca(root_name, root_name, root_key, root_key, path_length=1)
    issuing = _issue_ca(issuing_name, root_name, issuing_key, root_key, path_length=0)
    return Authority(key=issuing_key, certificates=(issuing, root))


@cache
def get_default_authority() -> Authority:
    """Get the one authority that `agency_keys` uses in this process."""
    return authority()


def agency_keys(name: str, *, organ_id: str = "", kind: Kind = "rsa") -> AgencyKeys:
    """Make an agency under the process's own authority; the same arguments give the same keys, said or left out.

    Args:
        name: the agency's name.
        organ_id: its code.
        kind: kind of its key.

    Raises:
        ValueError: there is no such kind of key.
    """
    return _make_agency_keys(name, organ_id, kind)


@cache
def _make_agency_keys(name: str, organ_id: str, kind: Kind) -> AgencyKeys:
    return get_default_authority().agency(name, organ_id=organ_id, kind=kind)


def make_throwaway_key(kind: Kind, name: str = "") -> PrivateKey:
    """Make a private key; the same kind and name give the same key in one process.

    Raises:
        ValueError: there is no such kind.
    """
    if (kind, name) not in _KEY_CACHE:
        _KEY_CACHE[kind, name] = choose(_MAKERS, kind, what="kind of key")()
    return _KEY_CACHE[kind, name]


def _issue_ca(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, issuer_key: PrivateKey, *, path_length: int
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        _start_builder(subject, issuer, key)
        .not_valid_before(now - 30 * _DAY)
        .not_valid_after(now + 3650 * _DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_build_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(_build_authority_id(issuer_key), critical=False)
    )
    return builder.sign(issuer_key, hashes.SHA256())


def _start_builder(subject: x509.Name, issuer: x509.Name, key: PrivateKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _build_authority_id(key: PrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _build_key_usage(
    *,
    digital_signature: bool = False,
    content_commitment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    ends = key_cert_sign or digital_signature
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=content_commitment,
        key_encipherment=not ends,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _build_name(name: str, organ_id: str = "") -> x509.Name:
    oids = (NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.ORGANIZATION_IDENTIFIER) if organ_id else ()
    unit = [x509.NameAttribute(oid, organ_id) for oid in oids]
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, name),
            *unit,
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
