"""How servers are told to the service, and where it keeps who lies on which."""
