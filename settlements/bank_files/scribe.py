"""Writes the texts of one file in its encoding, and remembers each that came out otherwise than it was given."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from settlements.bank_files.orders import OrderRefused, Rewritten
from settlements.bank_files.transliteration import CharacterRefused, one_line, to_windows_1251


class Encoding(StrEnum):
    """The encodings that banks take."""

    UTF_8 = "utf-8"
    WINDOWS_1251 = "windows-1251"


def as_is(text: str) -> str:
    """For a format in which no text can be mistaken for something else."""
    return text


class Scribe:
    """``guard`` takes from a text what the format would mistake for its own marks."""

    def __init__(self, encoding: Encoding, guard: Callable[[str], str] = as_is) -> None:
        self.encoding = encoding
        self._guard = guard
        self._rewritten: list[Rewritten] = []

    def text(self, given: str, *, number: int | None, field: str, length_max: int | None = None) -> str:
        """``given`` as it stands in the file: on one line, in the encoding, harmless, cut to ``length_max``.

        Raises:
            OrderRefused: a character can be neither encoded nor written otherwise, or no visible one is left.
        """
        try:
            written = self._guard(one_line(given))
            if self.encoding == Encoding.WINDOWS_1251:
                # Guarded again: a wide colon becomes a colon only here.
                written = self._guard(to_windows_1251(written))
        except CharacterRefused as error:
            raise OrderRefused(f"order {number or '–'}, {field}: {error}") from error
        written = written[:length_max].strip()
        if given.strip() and not written:
            raise OrderRefused(f"order {number or '–'}, {field}: {given!r} has nothing to be seen")
        if written not in {given, given.upper()}:
            self._remember(Rewritten(number, field, given, written))
        return written

    def encode(self, text: str) -> bytes:
        """The file's bytes; every text in it went through ``text`` before."""
        return text.encode(self.encoding.value)

    @property
    def warnings(self) -> tuple[Rewritten, ...]:
        """What stands otherwise than given, in the order of writing, each once."""
        return tuple(self._rewritten)

    def _remember(self, rewritten: Rewritten) -> None:
        if rewritten not in self._rewritten:
            self._rewritten.append(rewritten)
