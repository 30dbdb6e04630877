"""The calls of the interface, a module for each kind of thing."""

from .about import health_router
from .about import router as about_router
from .deliveries import router as deliveries_router
from .documents import router as documents_router
from .lists import router as lists_router
from .receipts import router as receipts_router

ROUTERS = (documents_router, deliveries_router, receipts_router, lists_router, about_router, health_router)

__all__ = ["ROUTERS"]
