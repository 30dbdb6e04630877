"""The database under the store."""
