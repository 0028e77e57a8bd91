"""Orders from placement to receipt, with their payments and refunds."""
