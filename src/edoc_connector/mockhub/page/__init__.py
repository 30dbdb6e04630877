"""The page at ``/``, on which a person plays any agency: sends, answers, recalls, and sees what the hub has."""

from edoc_connector.mockhub.page.routes import build_routes
from edoc_connector.mockhub.page.texts import TEXTS

__all__ = ["TEXTS", "build_routes"]
