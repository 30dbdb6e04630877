"""Authenticators for any dialect: what a hub, or a gateway in front of it, asks of each request."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from .answers import as_login_error
from .authenticator import AccessToken, Authenticator, is_token_refused
from .client_credentials import ClientCredentials
from .lgsp_access_token import LgspAccessToken
from .token_login import TokenLogin

AUTHENTICATORS: Mapping[str, Callable[..., Authenticator]] = MappingProxyType(
    {"oauth2": ClientCredentials, "lgspaccesstoken": LgspAccessToken, "login": TokenLogin}
)
"""Authenticators by their names in the configuration."""

__all__ = [
    "AUTHENTICATORS",
    "AccessToken",
    "Authenticator",
    "ClientCredentials",
    "LgspAccessToken",
    "TokenLogin",
    "as_login_error",
    "is_token_refused",
]
