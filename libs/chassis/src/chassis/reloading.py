"""A value read from files, and read again when they change. Files that cannot be read leave the value as it was."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Reloading(Generic[T]):
    """Looks at its files when it is asked for its value, at most once in `pause` seconds. Threads may share it."""

    def __init__(self, paths: Iterable[Path], read: Callable[[], T], *, pause: float = 1.0) -> None:
        self._paths = tuple(paths)
        self._read = read
        self._pause = pause
        self._seen = self._stamp()
        self._looked = time.monotonic()
        self._value = self._told = read()

    def value(self) -> T:
        """The value of the files as they last made sense."""
        now = time.monotonic()
        if now - self._looked >= self._pause:
            self._looked = now
            self._look()
        return self._value

    def news(self) -> T | None:
        """The value, if it is another than this answered last, or than the first."""
        value = self.value()
        if value is self._told:
            return None
        self._told = value
        return value

    def _look(self) -> None:
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return
            value = self._read()
            if stamp != self._stamp():  # still being written: the next look decides
                return
        except (OSError, ValueError) as error:
            _log.error("changed files do not make sense; what was read before stays", extra=self._facts(error))
            stamp = self._seen if isinstance(error, FileNotFoundError) else stamp
        else:
            self._value = value
            _log.info("files read again", extra=self._facts())
        self._seen = stamp

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        """What changes when a file is written or replaced."""
        stats = [path.stat() for path in self._paths]
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)

    def _facts(self, error: Exception | None = None) -> dict[str, object]:
        facts: dict[str, object] = {"files": [str(path) for path in self._paths]}
        return facts | {"cause": str(error)} if error else facts
