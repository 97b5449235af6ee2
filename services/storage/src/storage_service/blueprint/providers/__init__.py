"""Where blueprints come from."""
