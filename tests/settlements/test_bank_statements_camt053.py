"""camt.053 of two versions, its returns and its entries of several transactions; and what an attacker would send."""

import sys
from datetime import date

import pytest

from settlements.bank_statements import camt053
from settlements.bank_statements.lines import Doubt, DoubtKind, StatementRefused
from tests.settlements.bank_data import DATA

OUR_ACCOUNT = "KZ39601A001000000017"


def sample(version="08"):
    return (DATA / f"statement_camt053_{version}.xml").read_text()


def read(text):
    return camt053.read(text.encode())


@pytest.mark.parametrize("version", ["02", "08"])
def test_each_transaction_is_a_line_with_its_own_reference(version):
    statement = read(sample(version))
    assert [
        (
            line.direction,
            line.amount_tiyn,
            line.booked_on,
            line.document_number,
            line.reference,
            line.is_return,
        )
        for line in statement.lines
    ] == [
        ("out", 15_200_050, date(2026, 11, 23), "17", "AP17", False),
        ("out", 4_000_000, date(2026, 11, 23), "18", "AP18", False),
        ("out", 25_000, date(2026, 11, 23), "E2", "", False),
        ("in", 4_000_000, date(2026, 11, 24), "18", "AP18", True),
        ("in", 100_000_000, date(2026, 11, 24), "77", "", False),
    ]
    assert statement.doubts == (Doubt(DoubtKind.NOT_BOOKED, "E5 PDNG"),)


@pytest.mark.parametrize("version", ["02", "08"])
def test_the_other_side_of_a_return_is_who_was_paid(version):
    _, _, fee, returned, capital = read(sample(version)).lines
    assert (returned.counterparty_iban, returned.counterparty_business_id, returned.counterparty_bic) == (
        "KZ48722C000098765432", "850312300125", "CASPKZKA"
    )  # fmt: skip
    assert capital.counterparty_name == 'ГУ "Управление финансов города Алатау"'
    assert (fee.purpose, fee.counterparty_iban, fee.knp) == ("Комиссия банка за переводы 23.11.2026", "", "")
    assert returned.knp == "190"


@pytest.mark.parametrize("version", camt053.VERSIONS)
def test_every_version_is_read_by_its_own_types(version):
    base = "02" if version < "03" else "08"
    text = sample(base).replace(f"camt.053.001.{base}", f"camt.053.001.{version}")
    if "02" < version < "07":
        # Until 07, a status is a code and a party has no choice between a party and a bank.
        text = text.replace("<Cd>BOOK</Cd>", "BOOK").replace("<Cd>PDNG</Cd>", "PDNG")
        text = text.replace("<Pty>\n", "").replace("</Pty>\n", "")
    lines = read(text).lines
    assert [line.amount_tiyn for line in lines] == [15_200_050, 4_000_000, 25_000, 4_000_000, 100_000_000]
    assert lines[0].counterparty_business_id == "260140900305"
    assert lines[0].counterparty_bic == "CASPKZKA"


def test_the_balances_are_checked():
    statement = read(sample())
    (balance,) = statement.balances
    assert (balance.opening_tiyn, balance.closing_tiyn) == (50_000_000, 134_774_950)
    assert (balance.first_day, balance.last_day) == (date(2026, 11, 23), date(2026, 11, 24))
    worse = read(sample().replace("<Sum>192250.50</Sum>", "<Sum>192250.00</Sum>"))
    assert [doubt.kind for doubt in worse.doubts] == [
        DoubtKind.NOT_BOOKED, DoubtKind.BALANCE, DoubtKind.TURNOVER
    ]  # fmt: skip


def test_an_entry_that_does_not_add_up_is_one_line_and_doubted():
    statement = read(sample().replace('<Amt Ccy="KZT">40000.00</Amt>', '<Amt Ccy="KZT">39999.00</Amt>', 1))
    assert [(line.amount_tiyn, line.reference) for line in statement.lines][0] == (19_200_050, "")
    assert Doubt(DoubtKind.NOT_SPLIT, "E1") in statement.doubts


def test_a_return_says_so_by_its_reason_or_by_being_a_reversal():
    assert read(sample().replace("<RvslInd>true</RvslInd>\n", "")).lines[3].is_return
    reasonless = sample().replace("<RtrInf>\n<Rsn>\n<Cd>AC04</Cd>\n</Rsn>\n</RtrInf>\n", "")
    assert "RtrInf" not in reasonless
    assert read(reasonless).lines[3].is_return
    assert not read(reasonless.replace("<RvslInd>true</RvslInd>\n", "")).lines[3].is_return


def test_what_the_file_said_is_kept_path_by_path():
    raw = dict(read(sample()).lines[0].raw)
    assert raw["Ntry.acct_svcr_ref"] == "E1"
    assert raw["TxDtls.refs.end_to_end_id"] == "AP17"
    assert raw["TxDtls.rltd_pties.cdtr.pty.nm"] == 'ТОО "Достык кофе"'


def bomb():
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    return f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY e0 "lol">{entities}]>'


@pytest.mark.parametrize(
    "prologue",
    [
        '<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<?xml version="1.0"?><!DOCTYPE d SYSTEM "http://127.0.0.1:9/x.dtd">',
        '<?xml version="1.0"?><!DOCTYPE d>',
        bomb(),
    ],
)
def test_a_document_type_declaration_is_refused_before_anything_is_read(prologue):
    body = sample().partition("?>")[2].replace("<MsgId>M1</MsgId>", "<MsgId>&x;&e9;</MsgId>")
    for encoding in ("utf-8", "utf-16"):
        with pytest.raises(StatementRefused, match="no document type declaration"):
            camt053.read((prologue + body).encode(encoding))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("camt.053.001.08", "camt.053.001.99", "known version"),
        ("camt.053.001.08", "pain.001.001.09", "known version"),
        ("</Document>", "", "not XML"),
        ('<Amt Ccy="KZT">192000.50</Amt>', '<Amt Ccy="USD">192000.50</Amt>', "in USD"),
        ('<Amt Ccy="KZT">192000.50</Amt>', '<Amt Ccy="KZT">a lot</Amt>', "not a valid"),
        ('<Amt Ccy="KZT">192000.50</Amt>', '<Amt Ccy="KZT">NaN</Amt>', "amount"),
        ('<Amt Ccy="KZT">192000.50</Amt>', '<Amt Ccy="KZT">-1.00</Amt>', "amount"),
        ('<Amt Ccy="KZT">192000.50</Amt>', '<Amt Ccy="KZT">1.005</Amt>', "amount"),
        ("<Dt>2026-11-23</Dt>\n</BookgDt>", "<Dt>yesterday</Dt>\n</BookgDt>", "not a valid"),
        ("<BookgDt>\n<Dt>2026-11-23</Dt>\n</BookgDt>\n", "", "no day"),
        ("<CdtDbtInd>DBIT</CdtDbtInd>\n<Sts>", "<CdtDbtInd>BOTH</CdtDbtInd>\n<Sts>", "not a valid"),
        ("<IBAN>KZ39601A001000000017</IBAN>\n</Id>\n</Acct>", "</Id>\n</Acct>", "names no account"),
    ],
)
def test_what_cannot_be_understood_is_refused_whole(old, new, why):
    assert old in sample()
    with pytest.raises(StatementRefused, match=why):
        read(sample().replace(old, new, 1))


@pytest.mark.parametrize("content", [b"", b"<", b"1CClientBankExchange", b"<a/>", b"\xff\xfe<"])
def test_another_file_is_refused(content):
    with pytest.raises(StatementRefused):
        camt053.read(content)


def test_an_element_of_the_banks_own_is_no_reason_to_refuse():
    assert len(read(sample().replace("<Stmt>", "<Stmt><BankOwn>x</BankOwn>", 1)).lines) == 5


@pytest.fixture
def raised_recursion_limit():
    """As py_ecc, which comes with eth-account, leaves it behind: deeper than the stack is."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.parametrize("depth", [100, 50_000])
@pytest.mark.parametrize("element", ["SplmtryData", "BankOwn"])
def test_elements_inside_each_other_without_end_are_refused(element, depth, raised_recursion_limit):
    inside = f"<{element}>" * depth + f"</{element}>" * depth
    with pytest.raises(StatementRefused, match="too deep"):
        read(sample().replace("</Stmt>", f"{inside}</Stmt>", 1))


def test_a_message_without_a_statement_is_refused():
    text = sample()
    begin, end = text.index("<Stmt>"), text.index("</Stmt>") + len("</Stmt>")
    with pytest.raises(StatementRefused, match="no statement in it"):
        read(text[:begin] + text[end:])


def test_a_statement_without_a_summary_is_checked_by_its_balances():
    text = sample()
    begin, end = text.index("<TxsSummry>"), text.index("</TxsSummry>") + len("</TxsSummry>")
    bare = text[:begin] + text[end:]
    assert [doubt.kind for doubt in read(bare).doubts] == [DoubtKind.NOT_BOOKED]
    # A booked line more than the balances know of.
    worse = bare.replace('<Amt Ccy="KZT">250.00</Amt>', '<Amt Ccy="KZT">251.00</Amt>')
    assert worse != bare
    assert [doubt.kind for doubt in read(worse).doubts] == [DoubtKind.NOT_BOOKED, DoubtKind.BALANCE]
