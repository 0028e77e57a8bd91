"""Tools around the product: the embedded stack and the generated documentation."""
