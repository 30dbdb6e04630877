"""Packets that come in: finding and listing them, and taking them on from the offer to the confirmation."""

from .conditions import (
    build_downloadable_condition,
    build_unanswered_conditions,
    build_unnoticed_condition,
    find_earliest_unanswered,
    match_unanswered,
)
from .receipts import Offer, Receipts

__all__ = [
    "Offer",
    "Receipts",
    "build_downloadable_condition",
    "build_unanswered_conditions",
    "build_unnoticed_condition",
    "find_earliest_unanswered",
    "match_unanswered",
]
