"""Loading a token's library, also where another part of the program has initialised it already, or ends it."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from ..._core import get_logger

if TYPE_CHECKING:
    import pkcs11

log = get_logger("edoc_connector.signing")

_SHARED: dict[str, Any] = {}
"""The libraries that another part of the program has initialised, by their paths."""


def list_tokens(module: str) -> list[pkcs11.Token]:
    """List the tokens of a library, which is loaded and initialised if it is not yet.

    Raises:
        pkcs11.PKCS11Error: the library does not load, or refuses.
    """
    import pkcs11

    library = _load(module)
    try:
        return list(library.get_tokens())
    except pkcs11.PKCS11Error as error:
        if not is_not_initialised(error):
            raise
    log.info("another part of this program has ended the token library %s; it is initialised anew", module)
    with suppress(pkcs11.PKCS11Error):
        library.finalize()  # only so that the package knows
    library.initialize()
    return list(library.get_tokens())


def is_not_initialised(error: Exception) -> bool:
    """Tell whether an error is CKR_CRYPTOKI_NOT_INITIALIZED, which python-pkcs11 tells by its words alone."""
    return "not initialized" in str(error)


def _is_already_initialised(error: Exception) -> bool:
    return "already initialized" in str(error)


def _load(module: str) -> Any:
    import pkcs11

    if module in _SHARED:
        return _SHARED[module]
    try:
        return pkcs11.lib(module)
    except pkcs11.PKCS11Error as error:
        if not _is_already_initialised(error):
            raise
    log.info("another part of this program has initialised the token library %s; both use it", module)
    return _SHARED.setdefault(module, _shared_class()(module))


@cache
def _shared_class() -> Any:
    """Make the class of a library whose being initialised already is no error (PKCS#11 2.40, 5.4)."""
    import pkcs11
    from pkcs11 import _pkcs11

    class SharedLibrary(_pkcs11.lib):
        def initialize(self) -> None:
            try:
                super().initialize()
            except pkcs11.PKCS11Error as error:
                if not _is_already_initialised(error):
                    raise

    return SharedLibrary
