"""The channels of a connector: for each of the agency's hubs its outbox and its inbox."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..store import ReceiptRow
from ._context import ConnectorContext
from .inbound import Inbox, StatusSweep
from .outbound import Dispatcher, Outbox


@dataclass(frozen=True, slots=True)
class HubChannel:
    """The way to one hub.

    Args:
        context: with the hub.
        outbox: sends to it.
        inbox: brings in what it offers.
    """

    context: ConnectorContext
    outbox: Outbox
    inbox: Inbox

    @classmethod
    def open(cls, context: ConnectorContext) -> HubChannel:
        """Make the parts that send and receive."""
        channel = cls(context, Outbox(context), Inbox(context))
        channel.outbox.ack_sender.gate.sweep = StatusSweep(context, channel.inbox)
        return channel


class HubChannels:
    """The channels of an agency's hubs, in the order of the settings.

    Args:
        context: of the hub that the settings let send, else the first.

    Attributes:
        dispatcher: sends each message over its hub.
    """

    def __init__(self, context: ConnectorContext) -> None:
        self._context = context
        self._by_hub = {name: HubChannel.open(one) for name, one in context.by_hub.items()}
        self.dispatcher = Dispatcher(context, {name: one.outbox for name, one in self._by_hub.items()})

    def __iter__(self) -> Iterator[HubChannel]:
        return iter(self._by_hub.values())

    @property
    def first(self) -> HubChannel:
        """The channel of the hub that the settings let send."""
        return self._by_hub[self._context.hub_name]

    def for_receipt(self, row: ReceiptRow) -> HubChannel:
        """Find the channel of the hub that offered a packet.

        Raises:
            ConfigError: the settings do not name it any more.
        """
        return self._by_hub[self._context.for_hub(row.hub).hub_name]

    def close(self) -> None:
        """End the threads, give the locks of the hubs back, and close the connections to them."""
        for channel in self:
            channel.outbox.close()
            channel.context.guard.release()
            channel.context.hub.close()
