"""What every operation has: steps, written as a table, and the engine that walks through them and undoes them."""
