"""Infrastructure stacks of tenants: made, changed and destroyed at any provider."""
