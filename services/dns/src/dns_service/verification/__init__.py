"""Whether a record has reached the servers that answer for it."""
