"""Foundations that every layer uses: the clock, files and texts in two languages."""
