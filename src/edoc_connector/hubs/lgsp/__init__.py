"""Provincial integration platforms (LGSP) that carry documents over REST."""

from .dialect import Lgsp

__all__ = ["Lgsp"]
