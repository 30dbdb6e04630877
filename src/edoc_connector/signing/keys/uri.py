"""Key URIs: the forms in which settings and commands name a key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from ...errors import SigningError

Secrets = Callable[[str], str | None]
"""Gives the password that the argument names; None if there is none."""


@dataclass(frozen=True, slots=True)
class KeyUri:
    """A key URI taken apart: ``scheme:path?name=value&…``.

    Args:
        scheme: the kind of key, e.g. ``pem``.
        body: the part between the scheme and the question mark, as written.
        query: the attributes after the question mark, percent-decoded; each may be given more than once.
    """

    scheme: str
    body: str
    query: Mapping[str, tuple[str, ...]]

    @classmethod
    def parse(cls, uri: str) -> KeyUri:
        """Take a URI apart.

        Raises:
            SigningError: the URI has no scheme.
        """
        scheme, colon, rest = uri.partition(":")
        if not colon or not re.fullmatch(r"[a-z][a-z0-9]+", scheme) or not rest:
            raise SigningError(
                "a key is named by a URI such as pem:key.pem?cert=cert.pem or p12:agency.p12; this has no scheme",
                vi="khóa được chỉ định bằng URI như pem:key.pem?cert=cert.pem hoặc p12:agency.p12; "
                "thiếu tiền tố pem:, p12: hoặc pkcs11:",
            )
        body, _, query = rest.partition("?")
        attributes: dict[str, tuple[str, ...]] = {}
        for attribute in filter(None, query.split("&")):
            name, _, value = map(unquote, attribute.partition("="))
            attributes[name] = (*attributes.get(name, ()), value)
        return cls(scheme, body, attributes)

    @property
    def path(self) -> str:
        """The body as a file's path, percent-decoded."""
        return unquote(self.body)

    @property
    def redacted(self) -> str:
        """The URI as logs and lists may show it: without the attributes, where someone may have put a secret."""
        visible_parts = [part for part in self.body.split(";") if not part.lower().startswith("pin")]
        return f"{self.scheme}:{';'.join(visible_parts)}"

    @property
    def algorithm(self) -> str | None:
        """The signature algorithm that the ``algorithm`` attribute asks for."""
        return self.query.get("algorithm", (None,))[0]

    @property
    def secret_name(self) -> str:
        """The name to ask the password by: the ``secret`` attribute if given, else ``scheme:path``."""
        return self.query.get("secret", (f"{self.scheme}:{self.path}",))[0]

    def refuse_other_attributes(self, *names: str) -> None:
        """Refuse attributes other than the named ones.

        Raises:
            SigningError: there is another; the message does not repeat its value, which might be a secret.
        """
        unknown = sorted(set(self.query) - set(names))
        if unknown:
            raise SigningError(
                f"{self.scheme}: does not know the attribute '{unknown[0]}'; it knows {', '.join(names)}",
                vi=f"{self.scheme}: không có thuộc tính '{unknown[0]}'; chỉ có {', '.join(names)}",
            )
