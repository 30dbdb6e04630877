"""Commands of the desk for people: serve it, and administer who works at it."""

from .people import user_commands
from .serve import web_commands

web_commands.add_typer(user_commands)

__all__ = ["web_commands"]
