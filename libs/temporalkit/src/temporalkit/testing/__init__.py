"""What tests of workflows need and no process does: histories written by hand, and replay."""
