"""Commands of the gateway: serve, keys of clients, webhooks, the description of the interface."""

from .keys import key_commands
from .serve import gateway_commands
from .webhooks import webhook_commands

gateway_commands.add_typer(key_commands)
gateway_commands.add_typer(webhook_commands)

__all__ = ["gateway_commands"]
