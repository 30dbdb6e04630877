"""``lgspaccesstoken``: a header on the token call and on every call, and the Bearer token beside it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..dialect import SECRET
from ..endpoint import is_usable_url, require_settings
from ..wire import Flow, WireResponse
from .authenticator import AccessToken, is_token_refused
from .client_credentials import build_bearer, request_token
from .messages import UNUSABLE_ACCESS_KEY, UNUSABLE_LIFETIME, UNUSABLE_LOGIN_URL

HEADER = "lgspaccesstoken"


@dataclass(frozen=True, slots=True, kw_only=True)
class LgspAccessToken:
    """Name the calling application in a header, and get a Bearer token.

    Args:
        token_url: URL of the token call.
        access_key: AccessKey, as issued.
        secret_key: SecretKey, as issued; never in a repr, a log or an error.
        app_name: AppName.
        partner_code: PartnerCode.
        partner_code_cus: PartnerCodeCus.
        lifetime: seconds that a token is used for, where the answer does not say.

    Raises:
        ConfigError: the URL or the keys cannot be used.
    """

    token_url: str
    access_key: str
    secret_key: str = field(repr=False, metadata=SECRET)
    app_name: str = ""
    partner_code: str = ""
    partner_code_cus: str = ""
    lifetime: float = 1800.0

    def __post_init__(self) -> None:
        require_settings(
            (
                (is_usable_url(self.token_url), UNUSABLE_LOGIN_URL),
                (bool(self.access_key and self.secret_key), UNUSABLE_ACCESS_KEY),
                (self.lifetime > 0, UNUSABLE_LIFETIME),
            )
        )

    @property
    def login_url(self) -> str:
        """Where the token is asked for."""
        return self.token_url

    def build_headers(self, token: AccessToken) -> Mapping[str, str]:
        """Build the header of the application and the Bearer header."""
        return {**self._name_application(), **build_bearer(token)}

    def log_in(self) -> Flow[AccessToken]:
        """Ask for a token; see `Authenticator.log_in`."""
        headers = self._name_application()
        return (yield from request_token(self.token_url, headers, scope="", lifetime=self.lifetime))

    def is_refused(self, response: WireResponse) -> bool:
        """Tell whether an answer refuses the token."""
        return is_token_refused(response)

    def _name_application(self) -> dict[str, str]:
        application = {
            "AccessKey": self.access_key,
            "SecretKey": self.secret_key,
            "AppName": self.app_name,
            "PartnerCode": self.partner_code,
            "PartnerCodeCus": self.partner_code_cus,
        }
        text = json.dumps(application, ensure_ascii=False, separators=(",", ":"))
        return {HEADER: base64.b64encode(text.encode()).decode("ascii")}
