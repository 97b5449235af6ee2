"""How often somebody may ask, over all replicas."""
