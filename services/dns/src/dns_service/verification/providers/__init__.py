"""Who can be asked whether a record has reached the world, and nobody where nobody could know."""
