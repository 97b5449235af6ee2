"""What steps ask of services, and what they remember of the answers. Pure: a run in, a message out."""
