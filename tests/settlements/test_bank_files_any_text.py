"""Whatever a merchant calls itself, a file either refuses it by name or says it inside its own field, and pays the same."""

import csv
import io
from dataclasses import replace
from xml.etree import ElementTree

from hypothesis import example, given, settings
from hypothesis import strategies as st

from settlements.bank_files import client_bank_1c, csv_file, mt, pain001
from settlements.bank_files.orders import OrderRefused
from settlements.bank_files.scribe import Encoding
from tests.settlements.bank_data import BATCH, COFFEE, mt_fields, order, read_1c, read_mt

MARKS = [
    "\n", "\r\n", "\u2028", "\x85", "=", ":", "/", "-", "-}", "{", "}", ":20:", ":32B:KZT1,00", "/IDN/", "/NAME/",
    "КонецДокумента", "КОНЕЦФАЙЛА", "СекцияДокумент=", "СекцияРасчСчет", "1CClientBankExchange", "Сумма=1.00",
    '"', ",", ";", "<", "&", "]]>",
    "\uff1a", "\uff0f", "ң", "Қ", "₸", "ТОО", " ", "\t", "\x00", "\ufeff", "\u202e",
]  # fmt: skip
TEXTS = st.one_of(
    st.lists(st.sampled_from(MARKS), min_size=1, max_size=25).map("".join), st.text(min_size=1, max_size=150)
)
AMOUNT_TIYN = 15_200_050


def batch_of(name, purpose):
    """The batch with one order to a payee of this name for this purpose, or None where no bank takes them."""
    try:
        return replace(BATCH, orders=(order(17, replace(COFFEE, name=name), AMOUNT_TIYN, purpose),))
    except OrderRefused:
        return None


def written(write, *arguments):
    """The file's bytes, or None where it is refused."""
    try:
        return write(*arguments).content
    except OrderRefused:
        return None


@settings(deadline=None)
@given(name=TEXTS, purpose=TEXTS.map(lambda text: text[:210]), encoding=st.sampled_from(Encoding))
@example(name="КонецКонецДокументаДокумента", purpose="x", encoding=Encoding.UTF_8)
def test_1c(name, purpose, encoding):
    batch = batch_of(name, purpose)
    content = batch and written(client_bank_1c.write, batch, encoding)
    if not content:
        return
    text = content.decode(encoding)
    assert content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r") == len(text.splitlines())
    _, documents = read_1c(text)
    (document,) = documents
    assert (document["Сумма"], document["ПолучательИИК"]) == ("152000.50", COFFEE.iban)
    for mark in ("СекцияДокумент", "КонецДокумента", "КонецФайла", "1CClientBankExchange"):
        assert text.casefold().count(mark.casefold()) == 1
    assert "секциярасчсчет" not in text.casefold()


@settings(deadline=None)
@given(name=TEXTS, purpose=TEXTS.map(lambda text: text[:210]), encoding=st.sampled_from(Encoding))
def test_mt(name, purpose, encoding):
    batch = batch_of(name, purpose)
    for write in (mt.write_mt100, mt.write_mt102):
        content = batch and written(write, batch, encoding)
        if not content:
            continue
        text = content.decode(encoding)
        ((*tags, last),) = read_mt(text)
        tags = dict([*tags, last])
        assert tags["32A"] == "261123KZT152000,50"
        assert tags["59"].split("\n")[0] == COFFEE.iban
        assert list(mt_fields(tags["59"])) == ["NAME", "IDN", "IRS", "SECO"]
        assert list(mt_fields(tags["70"]))[-1] == "ASSIGN"
        assert text.count("-}") == text.count("{4:") == text.count(":59:") == 1
        assert text.count("/IDN/") == 2
        assert all(len(line) <= 70 for line in text.split("/ASSIGN/")[1].split("\r\n"))


@settings(deadline=None)
@given(name=TEXTS, purpose=TEXTS.map(lambda text: text[:210]))
def test_pain001(name, purpose):
    batch = batch_of(name, purpose)
    content = batch and written(pain001.write, batch)
    if not content:
        return
    texts = {
        element.tag.rpartition("}")[2]: element.text for element in ElementTree.fromstring(content).iter()
    }
    assert (texts["InstdAmt"], texts["CtrlSum"], texts["NbOfTxs"]) == ("152000.50", "152000.50", "1")
    assert len(texts["Nm"]) <= 140
    assert len(texts["Ustrd"]) <= 140


@settings(deadline=None)
@given(name=TEXTS, purpose=TEXTS.map(lambda text: text[:210]), encoding=st.sampled_from(Encoding))
def test_csv(name, purpose, encoding):
    batch = batch_of(name, purpose)
    content = batch and written(csv_file.write, batch, encoding)
    if not content:
        return
    _, row = csv.reader(io.StringIO(content.decode(encoding), newline=""))
    assert len(row) == len(csv_file.COLUMNS)
    assert row[4] == "152000.50"
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)
