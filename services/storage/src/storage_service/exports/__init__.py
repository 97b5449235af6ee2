"""All of a tenant's rows at one moment, in files that can be loaded again."""
