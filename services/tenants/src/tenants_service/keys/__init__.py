"""Keys that are handed out once: of a lead, of an invitation."""
