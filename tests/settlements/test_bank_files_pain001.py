"""pain.001.001.09 against the schema of ISO, and its own sums."""

from dataclasses import replace
from decimal import Decimal
from functools import cache
from importlib.resources import files
from xml.etree import ElementTree

import pytest
import xmlschema

from settlements.bank_files import pain001
from settlements.bank_files.orders import Rewritten
from tests.settlements.bank_data import BATCH, COFFEE, PURPOSE, TOTAL, order, with_name
from tests.settlements.test_bank_files import ATTACKS

NS = {"p": pain001.NAMESPACE}


@cache
def schema():
    return xmlschema.XMLSchema(str(files("sepaxml") / "schemas" / "pain.001.001.09.xsd"))


def tree_of(batch):
    content = pain001.write(batch).content
    schema().validate(content.decode())
    return ElementTree.fromstring(content)


def texts(tree, path):
    return [element.text for element in tree.findall(f".//p:{path.replace('/', '/p:')}", NS)]


def test_it_is_valid_and_its_counts_and_sums_agree():
    tree = tree_of(BATCH)
    amounts = tree.findall(".//p:InstdAmt", NS)
    assert [(amount.text, amount.get("Ccy")) for amount in amounts] == [
        ("152000.50", "KZT"), ("40000.00", "KZT"), ("1.01", "KZT")
    ]  # fmt: skip
    assert texts(tree, "CtrlSum") == [TOTAL, TOTAL]
    assert sum(Decimal(amount.text) for amount in amounts) == Decimal(TOTAL)
    assert texts(tree, "NbOfTxs") == ["3", "3"]


def test_it_says_who_pays_whom_when_and_what_for():
    tree = tree_of(BATCH)
    assert texts(tree, "CreDtTm") == ["2026-11-23T18:00:00+05:00"]
    assert texts(tree, "ReqdExctnDt/Dt") == ["2026-11-23"]
    assert texts(tree, "PmtMtd") == ["TRF"]
    assert texts(tree, "DbtrAcct/Id/IBAN") == ["KZ39601A001000000017"]
    assert texts(tree, "DbtrAgt/FinInstnId/BICFI") == ["HSBKKZKX"]
    assert texts(tree, "EndToEndId") == ["AP17", "AP18", "AP19"]
    assert texts(tree, "CdtrAgt/FinInstnId/BICFI") == ["CASPKZKA", "CASPKZKA", "KCJBKZKX"]
    assert texts(tree, "CdtrAcct/Id/IBAN")[1] == "KZ48722C000098765432"
    assert texts(tree, "Cdtr/Nm")[1] == "ИП Өмірбек Ғани"
    assert texts(tree, "Cdtr/Id/PrvtId/Othr/Id") == ["850312300125"]
    assert texts(tree, "Cdtr/Id/OrgId/Othr/Id") == ["260140900305", "191040012345"]
    assert texts(tree, "Ustrd")[2:4] == ["EKNP 1719KZT190", PURPOSE.format(18)]


def test_the_place_of_the_codes_is_a_template():
    template = "BIN {payee_business_id} EKNP {kod}{kbe}{currency}{knp} {unknown}"
    tree = tree_of(replace(BATCH, remittance_template=template))
    assert texts(tree, "Ustrd")[0] == "BIN 260140900305 EKNP 1717KZT190 {unknown}"
    assert texts(tree_of(replace(BATCH, remittance_template="")), "Ustrd") == [
        PURPOSE.format(n) for n in (17, 18, 19)
    ]


def test_a_long_purpose_is_split_and_a_long_name_is_cut_visibly():
    purpose = "Возмещение " * 19
    written = pain001.write(replace(BATCH, orders=(order(17, COFFEE, 1, purpose.strip()),)))
    parts = texts(ElementTree.fromstring(written.content), "Ustrd")[1:]
    assert [len(part) for part in parts] == [140, 68]
    assert "".join(parts) == purpose.strip()
    name = "ТОО " + "Ә" * 150
    assert pain001.write(with_name(name)).warnings == (Rewritten(17, "name", name, name[:140]),)
    assert texts(tree_of(with_name(name)), "Cdtr/Nm") == [name[:140]]


@pytest.mark.parametrize("name", [*ATTACKS, "A&B <!-- ]]> &xxe;", "ТОО \x0b\x00x"])
def test_no_name_breaks_out_of_its_element(name):
    tree = tree_of(with_name(name))
    assert texts(tree, "CdtTrfTxInf/Amt/InstdAmt") == ["152000.50"]
    assert texts(tree, "CdtrAcct/Id/IBAN") == [COFFEE.iban]
    assert len(texts(tree, "Cdtr/Nm")) == 1
