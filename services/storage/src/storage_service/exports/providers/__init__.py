"""Who makes dumps and loads them, and where they are kept."""
