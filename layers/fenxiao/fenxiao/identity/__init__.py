"""Who asks: members and staff, their sessions and tokens."""
