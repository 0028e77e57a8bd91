"""The ledger: double-entry journals that are never changed, and the wallets that they move."""
