"""Commissions: versioned rules, the split of an order, and the journals that follow it through its life."""
