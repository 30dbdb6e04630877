"""The directory of agencies: the hub's, which changes are taken over into, and lists of our own; search, succession."""

from .difference import is_former_code
from .directory import Directory
from .entries import DirectoryDifference, DirectoryEntry
from .folding import fold, fold_words, has_words

__all__ = ["Directory", "DirectoryDifference", "DirectoryEntry", "fold", "fold_words", "has_words", "is_former_code"]
