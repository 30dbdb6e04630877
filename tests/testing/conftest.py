"""The plugin's own fixture, which stands behind another one for the rest of the tests."""

from __future__ import annotations

from edoc_connector.testing.plugin import mock_hub

__all__ = ["mock_hub"]
