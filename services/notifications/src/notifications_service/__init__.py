"""Messages to people, delivered once, and never claimed when they were not."""
