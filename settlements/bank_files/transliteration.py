"""Texts as a bank's file can hold them: on one line, in its alphabet, and never with a character silently left out.

windows-1251 lacks the Kazakh letters Ә Ғ Қ Ң Ө Ұ Ү Һ (not І) and the tenge sign. They are written with the Russian letters
that documents use; a Latin letter loses its accent. What has no such way is refused, with its name.
"""

from __future__ import annotations

import unicodedata

_RUSSIAN = str.maketrans(
    {
        "Ә": "А", "ә": "а", "Ғ": "Г", "ғ": "г", "Қ": "К", "қ": "к", "Ң": "Н", "ң": "н", "Ө": "О", "ө": "о",
        "Ұ": "У", "ұ": "у", "Ү": "У", "ү": "у", "Һ": "Х", "һ": "х", "₸": "тг",
    }
)  # fmt: skip
# Control characters and separators of lines and words: a space stands for each run of them.
_BLANK = {"Cc", "Zs", "Zl", "Zp"}
# Invisible, unassigned, private or half a character: nobody at the bank would see what they do.
_UNWRITABLE = {"Cf", "Cs", "Cn", "Co"}


class CharacterRefused(ValueError):
    """``character`` cannot be written; the message names it."""

    def __init__(self, character: str) -> None:
        name = unicodedata.name(character, "without a name")
        super().__init__(f"U+{ord(character):04X} ({name}) cannot be written")
        self.character = character


def one_line(text: str) -> str:
    """``text`` in composed form on one line: each run of blanks and control characters is one space, none at the ends.

    Raises:
        CharacterRefused: an invisible (direction marks, joiners), unassigned or private character.
    """
    composed = unicodedata.normalize("NFC", text)
    for character in composed:
        if unicodedata.category(character) in _UNWRITABLE:
            raise CharacterRefused(character)
    spaced = ("".join(" " if unicodedata.category(each) in _BLANK else each for each in composed)).split()
    return " ".join(spaced)


def to_windows_1251(text: str) -> str:
    """``text`` with every character that windows-1251 lacks written by ones that it has.

    Raises:
        CharacterRefused: there is no way to write a character.
    """
    return "".join(_writable(character) for character in text.translate(_RUSSIAN))


def _writable(character: str) -> str:
    if _is_in_windows_1251(character):
        return character
    bare = "".join(
        part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part)
    )
    if not bare or not _is_in_windows_1251(bare):
        raise CharacterRefused(character)
    return one_line(bare)


def _is_in_windows_1251(text: str) -> bool:
    try:
        text.encode("cp1251")
    except UnicodeEncodeError:
        return False
    return True
