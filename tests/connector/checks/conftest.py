"""What the tests of checks share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edoc_connector.connector import CHECKS, CheckOutcome, Connector

Find = Callable[[Connector, str], CheckOutcome]

_SEVERITIES = {check.code: check.severity for check in CHECKS}


@pytest.fixture(scope="session")
def find() -> Find:
    """Gives the outcome of one check, after a look at its words in both languages."""

    def run(connector: Connector, code: str) -> CheckOutcome:
        (result,) = (one for one in connector.checks() if one.code == code)
        assert result.text.en
        assert result.text.vi
        assert "{" not in result.text.en + result.text.vi + result.cure.en + result.cure.vi
        if result.is_raised:
            assert result.outcome.value == _SEVERITIES[code].value
            assert result.cure.en
            assert result.cure.vi
        return result.outcome

    return run
