"""What runs on the developer's machine: the embedded stack, its seed and its story."""
