"""A small authoritative DNS server, for machines on which BIND cannot be had.

It serves one zone over UDP and TCP, takes RFC 2136 updates that are signed with its key, and keeps the zone in a file.
Wildcards, DNSSEC, notifications and incremental transfers are not its business.
"""
