"""What goes out: documents, requests to change them, statuses and confirmations."""
