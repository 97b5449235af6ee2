"""Who may speak for a pipeline, and how we sign what we say to it."""
