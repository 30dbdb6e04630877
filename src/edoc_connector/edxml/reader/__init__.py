"""Read packets tolerantly, and report what was odd."""
