"""Credentials that reach one tenant's place and nothing else."""
