"""What lies in a tenant's place: how much it is, how it is emptied, and links to single objects."""
