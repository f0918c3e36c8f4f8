"""How many blocks to ask for at once: half as many after an error or a slow answer, twice as many after fast ones. Pure.

Providers refuse a range in two styles: "query returned more than 10000 results" (often -32005), which depends on what is in the
blocks and sometimes names a range that would do, and "block range is too wide" (-32000, -32602, -32600), which does not. Both are
met by asking for less; what a provider refused is not tried again for a while, so that one long catch-up does not fail at every
second question.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FIRST = 16
MOST = 128
SECONDS_FAST = 1.0
SECONDS_SLOW = 5.0
# After this many whole answers in a row, a size that was refused may be tried again.
ANSWERS_BEFORE_MORE = 32

_SUGGESTED = re.compile(r"\[?\s*(0x[0-9a-fA-F]+)\s*(?:,|-|to)\s*(0x[0-9a-fA-F]+)\s*\]?")


@dataclass(slots=True)
class BlockRange:
    """The number of blocks asked for at once, at one node."""

    size: int = FIRST
    most: int = MOST
    _answers: int = 0

    def answered(self, seconds: float) -> None:
        """A range of ``size`` blocks was answered in so many seconds."""
        self._answers += 1
        if self._answers >= ANSWERS_BEFORE_MORE:
            self._answers, self.most = 0, min(MOST, self.most * 2)
        if seconds > SECONDS_SLOW:
            self.size = max(1, self.size // 2)
        elif seconds < SECONDS_FAST:
            self.size = min(self.most, self.size * 2)

    def refused(self, asked: int, *, suggested: int | None = None) -> None:
        """A range of ``asked`` blocks was refused; the provider may have named a number that would do."""
        smaller = suggested if suggested and suggested < asked else asked // 2
        self.size = self.most = max(1, smaller)
        self._answers = 0

    def timed_out(self, asked: int) -> None:
        """A range of ``asked`` blocks was not answered at all."""
        self.size = max(1, asked // 2)


def suggested_blocks(message: str, first: int) -> int | None:
    """The number of blocks from ``first`` on that a refusal names as one that would do, None when it names none."""
    match = _SUGGESTED.search(message)
    if match is None:
        return None
    start, end = int(match[1], 16), int(match[2], 16)
    return end - start + 1 if start == first and end >= start else None
