"""Private keys: where they lie, and signers over them."""
