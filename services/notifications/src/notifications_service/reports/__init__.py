"""What providers report of messages after they took them over."""
