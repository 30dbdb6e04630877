"""Tasks of a procrastinate queue, in the store's own transactions."""
