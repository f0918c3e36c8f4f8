"""Whatever bytes are brought, a reader reads a statement or refuses it: no other error, and no line without a sum and a day."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settlements.bank_statements import camt053, client_bank_1c, csv_mapped
from settlements.bank_statements.lines import StatementRefused
from tests.settlements.bank_data import DATA
from tests.settlements.test_bank_statements_csv import COLUMNS

READERS = {
    "statement_plain.txt": client_bank_1c.read,
    "statement_upper_case.txt": client_bank_1c.read,
    "statement_doubled.txt": client_bank_1c.read,
    "statement_camt053_02.xml": camt053.read,
    "statement_camt053_08.xml": camt053.read,
    "statement_table.csv": lambda content: csv_mapped.read(content, COLUMNS),
}
PIECES = st.one_of(
    st.binary(max_size=8),
    st.sampled_from(
        [
            "\r\n", "=", "<", "</Ntry>", "<Amt/>", "1e400", "-1", "99999-12-31", "Сумма=", "КонецДокумента\r\n",
            "СекцияДокумент=Выписка\r\n", ";;;", '"',
        ]
    ).map(str.encode),
)  # fmt: skip
CUTS = st.tuples(st.floats(0, 1), st.integers(0, 80), PIECES)


@pytest.mark.parametrize("name", READERS)
@settings(deadline=None)
@given(cuts=st.lists(CUTS, min_size=1, max_size=4))
def test_a_damaged_file_is_read_or_refused(name, cuts):
    content = (DATA / name).read_bytes()
    for place, length, piece in cuts:
        start = int(place * len(content))
        content = content[:start] + piece + content[start + length :]
    try:
        statement = READERS[name](content)
    except StatementRefused:
        return
    assert all(line.amount_tiyn > 0 and isinstance(line.booked_on, date) for line in statement.lines)
    assert len(set(statement.identities())) == len(statement.lines)


@pytest.mark.parametrize("read", [client_bank_1c.read, camt053.read, READERS["statement_table.csv"]])
@settings(deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_refused_or_empty(read, content):
    try:
        assert read(content).lines == ()
    except StatementRefused:
        return
