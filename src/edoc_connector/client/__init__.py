"""Clients that carry a dialect's calls over HTTP, blocking and async."""

from .bodies import AnswerSink
from .client import AsyncHubClient, HubClient
from .messages import UNUSABLE_HEADERS
from .shared_transports import SharedTransports
from .survey import ConnectionStage, ConnectionSurvey, survey_connection
from .threads import finish_in_thread, run_in_thread
from .transport import ClientSettings, is_usable_header

__all__ = [
    "UNUSABLE_HEADERS",
    "AnswerSink",
    "AsyncHubClient",
    "ClientSettings",
    "ConnectionStage",
    "ConnectionSurvey",
    "HubClient",
    "SharedTransports",
    "finish_in_thread",
    "is_usable_header",
    "run_in_thread",
    "survey_connection",
]
