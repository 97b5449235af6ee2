"""How often Python looks for garbage while a process serves."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_YOUNG = 10_000
"""Objects made, less those gone, before the young ones are looked at. A call makes dozens that all go by themselves."""


@contextmanager
def collected_rarely() -> Iterator[None]:
    """Leave out, inside the block, what exists at its beginning, and look at new objects less often.

    What a process has once it serves (modules, descriptors, rules) stays for good, and is most of what it ever has:
    Python would look through it again and again.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
