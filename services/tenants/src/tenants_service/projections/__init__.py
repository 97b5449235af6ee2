"""Tables that say again what the events say, kept ready to read by triggers; and how they are made anew."""
