"""The rules of the standard: what building refuses and reading reports."""
