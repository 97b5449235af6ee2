"""How tenants go from state to state."""
