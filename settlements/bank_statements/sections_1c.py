"""The line structure of a 1CClientBankExchange file, as loosely as banks write it.

Section words come in any case; keys stand in any order; a value may go on over several lines; the encoding may be named
wrongly, or not at all.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field

from settlements.bank_statements.lines import StatementRefused

_LINE_END = re.compile(r"\r\n|\r|\n")
_KEY = re.compile(r"[A-Za-zА-Яа-яЁёІі][A-Za-zА-Яа-яЁёІі0-9_]*")
# Keys whose value may go on over further lines, where even a "word=" is still the text.
_LONG_TEXTS = ("назначениеплатежа", "примечание")
_SUM = "сумма"
_PARTY_WORDS = ("плательщик", "получатель")
_DOCUMENT_WORDS = (
    "дата",
    "номер",
    "сумма",
    "код",
    "вид",
    "валюта",
    "очередность",
    "показатель",
    "статус",
    "квитанция",
)


@dataclass
class Section:
    """Keys (in lower case) and values of a header, an account or a document; ``kind`` is a document's, in lower case."""

    kind: str = ""
    values: dict[str, str] = field(default_factory=dict)
    raw: list[tuple[str, str]] = field(default_factory=list)

    def get(self, *keys: str) -> str:
        """The first value among ``keys`` that is not empty; "" where none is."""
        return next((self.values[key] for key in keys if self.values.get(key)), "")

    def add(self, key: str, value: str) -> None:
        """Keep a value; the first one under a key counts."""
        self.raw.append((key, value))
        self.values.setdefault(key.casefold(), value.strip())

    def go_on(self, line: str) -> None:
        """The last value goes on with ``line``."""
        if self.raw and line.strip():
            key, value = self.raw[-1]
            self.raw[-1] = (key, f"{value}\n{line}")
            self.values[key.casefold()] = f"{self.values[key.casefold()]} {line.strip()}".strip()


@dataclass
class Sections:
    """A file taken apart. ``accounts_named`` are all accounts of the header: its key may stand several times."""

    header: Section
    accounts: list[Section]
    documents: list[Section]
    is_encoding_wrong: bool

    @property
    def accounts_named(self) -> list[str]:
        """Account numbers that the header names."""
        return [
            value.strip() for key, value in self.header.raw if key.casefold() == "расчсчет" and value.strip()
        ]


def read_sections(content: bytes) -> Sections:
    """Take the file apart.

    Raises:
        StatementRefused: not such a file, no readable encoding, a section that does not end, or text after the file's end.
    """
    text, is_encoding_wrong = _decode(content)
    if "\x00" in text:
        raise StatementRefused("the file is no text")
    lines = _LINE_END.split(text)
    if lines[0].strip().casefold() != "1cclientbankexchange":
        raise StatementRefused("the first line is not 1CClientBankExchange")
    sections = Sections(Section(), [], [], is_encoding_wrong)
    current = sections.header
    for index, line in enumerate(lines[1:], start=1):
        key, separator, value = line.partition("=")
        word = key.strip().casefold()
        if word == "конецфайла":
            _require_end(lines[index + 1 :])
            break
        if word in {"секциярасчсчет", "секциядокумент"}:
            if current is not sections.header:
                raise StatementRefused(f"a section begins inside another one: {line.strip()}")
            current = Section(value.strip().casefold())
            (sections.accounts if word == "секциярасчсчет" else sections.documents).append(current)
        elif word in {"конецрасчсчет", "конецдокумента"}:
            current = sections.header
        elif separator and _begins_value(current, key.strip()):
            current.add(key.strip(), value)
        else:
            current.go_on(line)
    if current is not sections.header:
        raise StatementRefused("the last section has no end: the file is cut off")
    return sections


def _require_end(lines: list[str]) -> None:
    """Two files in one would lose the second; only blanks, and the mark of old programs for the end, come after it."""
    if any(line.strip(" \t\x1a") for line in lines):
        raise StatementRefused("the file goes on after its end: bring each statement as a file of its own")


def _begins_value(section: Section, key: str) -> bool:
    if not _KEY.fullmatch(key):
        return False
    if not section.raw or section.raw[-1][0].casefold() not in _LONG_TEXTS:
        return True
    word = key.casefold()
    if word.startswith(_SUM) and any(known.startswith(_SUM) for known in section.values):
        return False  # whoever wrote the purpose does not say what was paid
    # Inside a long text only a key of the format that has not come yet is taken for one.
    return word not in section.values and word.startswith(_PARTY_WORDS + _DOCUMENT_WORDS + _LONG_TEXTS)


def _decode(content: bytes) -> tuple[str, bool]:
    """The text, and whether the file names another encoding than it has."""
    declared = _declared(content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        name = {"dos": "cp866", "kz1048": "kz1048", "strk1048": "kz1048"}.get(declared, "cp1251")
        try:
            return content.decode(name), declared.startswith("utf")
        except UnicodeDecodeError as error:
            raise StatementRefused("the text is neither UTF-8 nor windows-1251") from error
    is_ascii_or_marked = content.isascii() or content.startswith(codecs.BOM_UTF8)
    return text, not is_ascii_or_marked and bool(declared) and not declared.startswith("utf")


def _declared(content: bytes) -> str:
    for encoding in ("utf-8-sig", "cp1251", "cp866"):
        text = content[:4000].decode(encoding, errors="replace")
        found = re.search(r"^\s*Кодировка=([^\r\n]*)", text, re.MULTILINE | re.IGNORECASE)
        if found:
            return re.sub(r"[^a-z0-9]", "", found.group(1).casefold())
    return ""
