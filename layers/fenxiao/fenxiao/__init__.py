"""Fenxiao: a WeChat social-commerce distribution system."""
