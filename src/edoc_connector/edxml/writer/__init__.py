"""Write packets strictly."""
