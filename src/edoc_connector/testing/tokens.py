"""A throwaway token: SoftHSM2, with keys and certificates written to it by its own tools.

Debian has it as ``softhsm2`` and ``opensc``. The library reads where its tokens are from ``SOFTHSM2_CONF`` when it is
first used in a process, so the variable is set, and everything written, before that::

    token = SoftToken.create(folder)
    token.write(agency_keys("Sở Nội vụ"), label="agency-key", id="a1")
    os.environ["SOFTHSM2_CONF"] = str(token.configuration)
    load_signer(token.uri("agency-key"), secrets=lambda _name: token.pin)
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from .keys import AgencyKeys

MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
"""Where distributions put SoftHSM2's library."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftToken:
    """A token of SoftHSM2.

    Args:
        configuration: SoftHSM2's configuration, for ``SOFTHSM2_CONF``.
        label: the token's label.
        pin: its PIN.
        module: SoftHSM2's library.
    """

    configuration: Path
    label: str
    pin: str = field(repr=False)
    module: str

    @staticmethod
    def find_missing_tools() -> str:
        """Find the programs that a token needs and that are not installed; empty if none is."""
        missing = [tool for tool in ("softhsm2-util", "pkcs11-tool") if shutil.which(tool) is None]
        if not any(map(os.path.exists, MODULES)):
            missing.append("libsofthsm2.so")
        return ", ".join(missing)

    @classmethod
    def create(cls, folder: Path, *, label: str = "edoc", pin: str = "throwaway-pin-739154") -> SoftToken:
        """Make a token, empty.

        Args:
            folder: where its files go; several tokens may share one.
            label: the token's label.
            pin: its PIN.
        """
        configuration = folder / "softhsm2.conf"
        (folder / "tokens").mkdir(exist_ok=True)
        configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
        module = next(path for path in MODULES if Path(path).exists())
        token = cls(configuration=configuration, label=label, pin=pin, module=module)
        pins = ("--so-pin", f"{pin}-of-officer", "--pin", pin)
        token._run("softhsm2-util", "--init-token", "--free", "--label", label, *pins)
        return token

    def write_keys(
        self, keys: AgencyKeys, *, label: str, id: str, certificate: bool = True, options: tuple[str, ...] = ()
    ) -> None:
        """Write a key and its certificate.

        Args:
            keys: what to write.
            label: label of both.
            id: id of both, hex.
            certificate: whether the certificate, and the one above it, are written too.
            options: what the key may do, as pkcs11-tool names it, e.g. ``--always-auth``.
        """
        folder = self.configuration.parent
        key = folder / f"{id}.key"
        key.write_bytes(keys.key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
        self._write_object(key, "privkey", label, id, *(options or ("--usage-sign",)))
        key.unlink()
        for number, written_certificate in enumerate(keys.certificates[:-1] if certificate else ()):
            der = folder / f"{id}-{number}.der"
            der.write_bytes(written_certificate.public_bytes(Encoding.DER))
            self.write_certificate(der, label=label if number == 0 else "issuer", id=id if number == 0 else f"f{id}0")

    def generate_key(self, kind: str, *, label: str, id: str) -> None:
        """Have the token make a key pair, which has no certificate yet.

        Args:
            kind: as pkcs11-tool names it, e.g. ``EC:prime256v1`` or ``rsa:2048``.
            label: label of both halves.
            id: id of both, hex.
        """
        access_options = ("--module", self.module, "--token-label", self.label, "--login", "--pin", self.pin)
        object_options = ("--keypairgen", "--key-type", kind, "--id", id, "--label", label, "--usage-sign")
        self._run("pkcs11-tool", *access_options, *object_options)

    def write_certificate(self, der: Path, *, label: str, id: str) -> None:
        """Write a certificate, DER, with a label and an id (hex)."""
        self._write_object(der, "cert", label, id)

    def _write_object(self, file: Path, kind: str, label: str, id: str, *options: str) -> None:
        access_options = ("--module", self.module, "--token-label", self.label, "--login", "--pin", self.pin)
        object_options = ("--write-object", str(file), "--type", kind, "--id", id, "--label", label)
        self._run("pkcs11-tool", *access_options, *object_options, *options)

    def build_uri(self, key: str = "", **query: str) -> str:
        """A key's URI for `load_signer`.

        Args:
            key: its label; left out, the token must hold only one.
            query: further attributes, with ``_`` for ``-``.
        """
        path = f"token={quote(self.label)}" + (f";object={quote(key)}" if key else "")
        attributes = {"module-path": self.module, **{name.replace("_", "-"): value for name, value in query.items()}}
        return f"pkcs11:{path}?" + "&".join(f"{name}={quote(value)}" for name, value in attributes.items())

    def _run(self, *command: str) -> None:
        environment = {**os.environ, "SOFTHSM2_CONF": str(self.configuration)}
        subprocess.run(command, env=environment, check=True, capture_output=True)  # noqa: S603 - our own arguments
