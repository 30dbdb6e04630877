"""Runs an agency's exchange without being asked: sends, polls, confirms, reports, for one agency or many."""

from .handlers import load_handlers
from .run import Worker

__all__ = ["Worker", "load_handlers"]
