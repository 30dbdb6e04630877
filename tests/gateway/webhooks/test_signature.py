"""Signatures of webhooks, against the example of Standard Webhooks."""

from __future__ import annotations

import base64

import pytest

from edoc_connector.errors import ConfigError
from edoc_connector.gateway.webhooks.signature import parse_secret, sign_message

# The test vector of the Standard Webhooks libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_signature_is_that_of_the_standard() -> None:
    """Id, time and body are signed as the published libraries do; several secrets give several signatures."""
    secret = parse_secret(SECRET, "env:SECRET")
    signed = sign_message("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, BODY, [secret, b"x" * 24])
    assert signed.split(" ")[0] == SIGNATURE
    assert len(signed.split(" ")) == 2


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_!!!!", "c2hvcnQ=", base64.b64encode(b"x" * 65).decode()])
def test_what_is_no_secret_is_refused_and_not_repeated(text: str) -> None:
    """A secret has 24 to 64 bytes; the error names its reference only."""
    with pytest.raises(ConfigError, match="env:SECRET") as caught:
        parse_secret(text, "env:SECRET")
    assert len(text) < 8 or text not in caught.value.message
