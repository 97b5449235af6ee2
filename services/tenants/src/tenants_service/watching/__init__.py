"""Following the record of events as it grows, without skipping one."""
