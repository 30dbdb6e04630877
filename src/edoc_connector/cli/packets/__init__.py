"""Commands about packet files, keys and signatures."""
