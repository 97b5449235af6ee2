"""The keys that sign the tokens of leads: made here, rotated here, published for everybody."""
