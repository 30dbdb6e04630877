"""How a connector gets at its hub: a client that records what is said, a probe, and a circuit breaker."""

from .breaker import BreakerReading, BreakerState, HubBreaker, read_breaker
from .probe import HubProbe
from .recording_hub import RecordingHubClient

__all__ = [
    "BreakerReading",
    "BreakerState",
    "HubBreaker",
    "HubProbe",
    "RecordingHubClient",
    "read_breaker",
]
