"""The tables of the operations: one line a step. To add a step, write its line (docs/how-to/add-a-step.md)."""
