"""Promoters, invitations and the relation chain."""
