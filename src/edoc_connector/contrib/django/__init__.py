"""A Django app that sends and receives documents: ``"edoc_connector.contrib.django"`` in ``INSTALLED_APPS``.

`models` and `admin` are imported by the application's own modules of these names; everything else is here.
"""

from .configuration import load_agencies
from .connectors import close_connectors, get_connector
from .files import build_attachment, open_attachment
from .signals import change_requested, delivery_expired, document_received, status_received

__all__ = [
    "build_attachment",
    "change_requested",
    "close_connectors",
    "delivery_expired",
    "document_received",
    "get_connector",
    "load_agencies",
    "open_attachment",
    "status_received",
]
