"""Withdrawal: from a promoter's available balance to their WeChat balance, less tax and fee."""
