"""Schema revisions, oldest first; a released one is never changed."""
