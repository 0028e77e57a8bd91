"""The audit: everything that the books say, computed again from what they are made of, and compared."""
