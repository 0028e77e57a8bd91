"""Adapters to WeChat; nothing else knows its wire formats."""
