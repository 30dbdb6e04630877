"""Messages as values, and the table that ties them to elements."""
