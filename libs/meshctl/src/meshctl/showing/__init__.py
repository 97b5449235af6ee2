"""How answers look: live on a terminal, plain lines elsewhere, JSON for programs."""
