"""Reconciliation: WeChat's daily bills against our orders, refunds and withdrawals."""
