"""Forgetting what nobody may have any more."""
