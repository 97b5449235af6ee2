"""What happened: every change leaves an immutable event in the transaction that makes it."""
