"""Commands that send, receive and answer."""
