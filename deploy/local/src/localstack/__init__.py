"""The local stack: real servers, from packages, started by one command."""
