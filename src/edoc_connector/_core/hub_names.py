"""Names of an agency's hubs, and what is named after them: docIds and jobs.

Two hubs may use one docId for two packets. So the docId of a packet at the hub ``new`` is written ``123@new`` in the
store and everywhere else; what goes over the wire is the hub's own, ``123``. The hub of a lone section ``[hub]`` adds
nothing to its docIds.
"""

from __future__ import annotations

LONE_HUB = "hub"
"""Name of the hub of the section ``[hub]``."""

_SEPARATOR = "@"


def qualify_for_hub(name: str, hub: str) -> str:
    """Name what a hub calls something, or a job about it, so that no other hub has the same name.

    Args:
        name: the docId, or the job.
        hub: name of the hub.
    """
    return name if hub == LONE_HUB or not name else f"{name}{_SEPARATOR}{hub}"


def strip_hub(name: str, hub: str) -> str:
    """Find how the hub itself calls what `qualify_for_hub` named."""
    return name if hub == LONE_HUB else name.removesuffix(f"{_SEPARATOR}{hub}")


def split_job_name(name: str) -> tuple[str, str]:
    """Split the name of a job into its kind and the hub that it is about; `LONE_HUB` where none is named."""
    kind, _, hub = name.partition(_SEPARATOR)
    return kind, hub or LONE_HUB
