"""Secrets that wait, sealed, for their one use."""
