"""Runs the workflows. Its activities do nothing but call the other services."""
