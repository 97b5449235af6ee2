"""Sending what is queued, in the background, by whichever process is free."""
