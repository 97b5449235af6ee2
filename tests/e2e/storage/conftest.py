"""Real stores for the process."""

from tests.fixtures.stores import moto, seaweedfs

__all__ = ["moto", "seaweedfs"]
