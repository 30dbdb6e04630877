"""Connectors inside other people's frameworks, a package for each; none is loaded unless it is imported by name."""
