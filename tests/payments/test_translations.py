"""The catalogues: complete for the pages a resident, a cashier and a shop see, unbroken, and compiled as written."""

import io
import re
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.utils import translation
from django.utils.translation import gettext, ngettext
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ["kk", "ru"]
TEMPLATES = [*(ROOT / "templates").glob("*.html"), *(ROOT / "templates" / "payments").glob("*.html")]
MODULES = [
    ROOT / "payments" / f"{name}.py"
    for name in (
        "wording",
        "sale_form",
        "checkout_page",
        "dashboard",
        "models/invoices",
        "models/payments",
        "models/held",
        "models/refunds",
        "refund_wording",
        "refund_form",
        "refund_views",
        "late_views",
        "rates_admin",
    )
]
MODULES += [ROOT / "settlements" / "models" / f"{name}.py" for name in ("ledger", "rates")]
TEMPLATES += (ROOT / "templates" / "admin" / "two_people").glob("*.html")
KEYWORDS = {"_": None, "gettext": None, "gettext_lazy": None, "gettext_noop": None, "ngettext": (1, 2)}
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w+\}|</?\w+>")


def catalogue(language):
    with (ROOT / "locale" / language / "LC_MESSAGES" / "django.po").open("rb") as file:
        return read_po(file)


def sentences(path):
    text = path.read_text()
    code = templatize(text, origin=str(path)) if path.suffix == ".html" else text
    return [message[1] for message in extract("python", io.BytesIO(code.encode()), keywords=KEYWORDS)]


def forms(string):
    return [string] if isinstance(string, str) else list(string)


def texts(messages):
    return {tuple(forms(message.id)): tuple(forms(message.string)) for message in messages if message.id}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_catalogue_says_what_the_written_one_says(language):
    """After an edit: ``pybabel compile -d locale -D django``."""
    with (ROOT / "locale" / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        compiled = texts(read_mo(file))
    assert compiled == texts(catalogue(language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_left_untranslated_or_unsure(language):
    messages = [message for message in catalogue(language) if message.id]
    assert [message.id for message in messages if not all(forms(message.string))] == []
    assert [message.id for message in messages if message.fuzzy] == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", [*TEMPLATES, *MODULES], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_sentence_of_the_page_is_in_the_catalogue(language, path):
    known = catalogue(language)
    assert [sentence for sentence in sentences(path) if known.get(first(sentence)) is None] == []


def first(sentence):
    return sentence if isinstance(sentence, str) else sentence[0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_numbers_names_and_markup_survive_translation(language):
    for message in catalogue(language):
        if message.id:
            wanted = sorted(PLACEHOLDER.findall(first(message.id)))
            for form in forms(message.string):
                assert sorted(PLACEHOLDER.findall(form)) == wanted, message.id


def test_kazakh_is_kazakh():
    """Letters that only Kazakh has are in most of it: a catalogue copied from Russian would not pass."""
    long_ones = [
        m.string for m in catalogue("kk") if m.id and isinstance(m.string, str) and len(m.string) > 25
    ]
    kazakh = [text for text in long_ones if re.search("[әғқңөұүһі]", text, re.IGNORECASE)]
    assert len(kazakh) > 0.97 * len(long_ones)


@pytest.mark.parametrize(
    ("language", "number", "words"),
    [
        ("ru", 1, "1 продажа"),
        ("ru", 3, "3 продажи"),
        ("ru", 11, "11 продаж"),
        ("ru", 25, "25 продаж"),
        ("kk", 3, "3 сату"),
    ],
)
def test_plurals(language, number, words):
    with translation.override(language):
        assert ngettext("%(number)s sale", "%(number)s sales", number) % {"number": number} == words


@pytest.mark.parametrize(("language", "words"), [("kk", "Төленді"), ("ru", "Оплачено"), ("en", "Paid")])
def test_the_word_everyone_waits_for(language, words):
    with translation.override(language):
        assert gettext("Paid") == words
