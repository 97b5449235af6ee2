"""How a pipeline is reached."""
