"""Attachments: their names, types and bytes."""
