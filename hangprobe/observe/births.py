"""Whether any process or thread may have been started on this node since the last look, from one small file.

The last number of `/proc/loadavg` is the pid that was given last in the reader's PID namespace (fs/proc/loadavg.c), and
every process and thread of the job has a pid there. While it stays the same, no list of threads or children has grown.
"""

from __future__ import annotations

import os

from hangprobe.model import Unreadable
from hangprobe.observe.cputimes import is_of_own_namespace
from hangprobe.observe.reader import Reader


class Births:
    """Remembers the pid that was given last."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._is_told = is_of_own_namespace(reader) and _is_the_kernels_own(reader)
        self._last: str | None = None

    def has_any(self) -> bool:
        """Tell whether there may have been one since the last call."""
        text = self.reader.text("loadavg") if self._is_told else None
        words = [] if text is None or isinstance(text, Unreadable) else text.split()
        before, self._last = self._last, words[-1] if len(words) == 5 else None
        return self._last is None or self._last != before


def _is_the_kernels_own(reader: Reader) -> bool:
    """Tell whether lxcfs has put no file of its own over the kernel's: it looks for the last pid now and then."""
    try:
        return os.stat(f"{reader.root}/loadavg").st_dev == os.stat(f"{reader.root}/self/stat").st_dev
    except OSError:
        return False
