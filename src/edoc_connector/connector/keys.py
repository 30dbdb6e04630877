"""The key, loaded when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from ..errors import SigningError
from ..signing import Signer


class Loader(Protocol):
    """Loads the key; tells when its password was handed over."""

    def __call__(self, *, on_secret: Callable[[], None]) -> Signer | None: ...


class KeyOnce:
    """Loads the key when it is first needed, once, and again after an error: a token may be plugged in later.

    But a password that was refused is not offered again: three wrong PINs lock a token. The error is raised anew until
    the connector is opened again, with another password in its settings.

    Args:
        load: loads the key.
    """

    def __init__(self, load: Loader) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._loaded: Signer | None = None
        self._done = False
        self._secret_used = False
        self._refused: SigningError | None = None

    def __call__(self) -> Signer | None:
        """The key; None where packets go out unsigned.

        Raises:
            SigningError: it cannot be loaded.
        """
        with self._lock:
            if self._refused is not None:
                raise _again(self._refused)
            if not self._done:
                self._try()
            return self._loaded

    def _try(self) -> None:
        try:
            self._loaded = self._load(on_secret=self._note_secret)
        except SigningError as error:
            if self._secret_used:
                self._refused = error
            raise
        self._done = True

    def _note_secret(self) -> None:
        self._secret_used = True


def _again(error: SigningError) -> SigningError:
    return SigningError(
        f"{error.message}. The password is not tried again before the connector is opened anew: too many wrong PINs "
        "lock a token.",
        vi=f"{error.vi}. Mật khẩu không được thử lại cho đến khi mở lại kết nối: nhập sai PIN nhiều lần sẽ khóa token.",
    )
