"""MT100 and MT102, read back by a reader of tags that knows nothing of how they were written."""

from dataclasses import replace

import pytest

from settlements.bank_files import mt
from settlements.bank_files.orders import OrderRefused
from settlements.bank_files.scribe import Encoding
from tests.settlements.bank_data import (
    BATCH,
    BOOKS,
    COFFEE,
    PURPOSE,
    TAILOR,
    mt_fields,
    order,
    read_mt,
    with_name,
)
from tests.settlements.test_bank_files import ATTACKS

UTF_8, WINDOWS = Encoding.UTF_8, Encoding.WINDOWS_1251


def tiyn(text):
    """ "261123KZT152000,50" → 15200050."""
    return int(text.partition("KZT")[2].replace(",", ""))


def messages_of(batch, write=mt.write_mt102, encoding=UTF_8):
    return read_mt(write(batch, encoding).content.decode(encoding))


def test_mt100_is_one_message_for_each_payment():
    messages = messages_of(BATCH, mt.write_mt100)
    assert [[tag for tag, _ in message] for message in messages] == [
        ["20", "32A", "50", "52B", "57B", "59", "70"]
    ] * 3
    first = dict(messages[0])
    assert (first["20"], first["32A"], first["52B"], first["57B"]) == (
        "AP17", "261123KZT152000,50", "HSBKKZKX", "CASPKZKA"
    )  # fmt: skip
    assert first["50"].split("\n") == [
        "/D/KZ39601A001000000017", '/NAME/ТОО "ALATAU PAY"', "/IDN/260140900012", "/CHIEF/СЕЙТҚАЛИ АЙГҮЛ", "/IRS/1", "/SECO/7"
    ]  # fmt: skip
    assert first["59"].split("\n") == [
        "KZ84722C000012345678", '/NAME/ТОО "ДОСТЫҚ КОФЕ"', "/IDN/260140900305", "/IRS/1", "/SECO/7"
    ]  # fmt: skip
    assert mt_fields(first["70"]) == {
        "NUM": "17", "DATE": "261123", "SEND": "07", "VO": "01", "KNP": "190", "PSO": "01", "PRT": "50",
        "ASSIGN": PURPOSE.format(17).upper(),
    }  # fmt: skip


def test_mt102_is_one_message_for_each_bank_and_its_total_is_its_last_tag():
    messages = messages_of(BATCH)
    assert [dict(message)["57B"] for message in messages] == ["CASPKZKA", "KCJBKZKX"]
    for message in messages:
        assert message[-1][0] == "32A"
        assert tiyn(message[-1][1]) == sum(tiyn(value) for tag, value in message if tag == "32B")
    assert sum(tiyn(message[-1][1]) for message in messages) == BATCH.total_tiyn
    assert [value for tag, value in messages[0] if tag == "21"] == ["AP17", "AP18"]
    assert [value for tag, value in messages[0] if tag == "32B"] == ["KZT152000,50", "KZT40000,00"]
    assert mt_fields(messages[0][3][1]) == {"DATE": "261123", "SEND": "07", "PSO": "01", "PRT": "50"}


def test_an_mt102_takes_fifty_payments():
    many = replace(BATCH, orders=tuple(order(number, COFFEE, number) for number in range(1, 102)))
    messages = messages_of(many)
    assert [sum(tag == "21" for tag, _ in message) for message in messages] == [50, 50, 1]
    assert [dict(message)["20"] for message in messages] == ["APB5N1", "APB5N2", "APB5N3"]
    assert [tiyn(message[-1][1]) for message in messages] == [1275, 3775, 101]


def test_the_header_holds_what_the_bank_assigned():
    lines = mt.write_mt102(replace(BATCH, mt_system="SGROSS"), UTF_8).content.decode().split("\r\n")
    assert lines[:3] == ["{1:F01K059140000000000000000}", "{2:I102SGROSS000000U3003}", "{4:"]
    with_prefix = replace(BATCH, mt_terminal="F01K059140000000000000000")
    assert mt.write_mt100(with_prefix, UTF_8).content == mt.write_mt100(BATCH, UTF_8).content


@pytest.mark.parametrize("terminal", ["", "K05}{4:", "КАЗ"])
def test_without_a_header_nothing_is_written(terminal):
    with pytest.raises(OrderRefused, match="MT header"):
        mt.write_mt100(replace(BATCH, mt_terminal=terminal), UTF_8)


@pytest.mark.parametrize("length", [1, 61, 62, 63, 132, 133, 210])
def test_a_purpose_wraps_at_62_and_70_and_joins_to_itself(length):
    purpose = ("ОПЛАТА " * 40)[:length].rstrip().ljust(length, "Я")
    text = mt.write_mt100(replace(BATCH, orders=(order(17, COFFEE, 1, purpose),)), UTF_8).content.decode()
    (message,) = read_mt(text)
    assert mt_fields(dict(message)["70"])["ASSIGN"] == purpose
    assert max(len(line) for line in text.split("\r\n")) <= 70


@pytest.mark.parametrize("mark", [":", "-", "/", " ", "-}", ":20:"])
@pytest.mark.parametrize("at", [60, 61, 62, 63, 64])
def test_no_line_of_a_purpose_begins_with_a_mark(mark, at):
    purpose = ("А" * at + mark).ljust(150, "Б")
    lines = (
        mt.write_mt100(replace(BATCH, orders=(order(17, COFFEE, 1, purpose),)), UTF_8)
        .content.decode()
        .split("\r\n")
    )
    start = next(index for index, line in enumerate(lines) if line.startswith("/ASSIGN/"))
    further = lines[start + 1 : lines.index("-}")]
    assert further
    assert not any(line[0] in ":-/ " or line.endswith(" ") for line in further)


def test_a_purpose_of_marks_alone_is_refused():
    with pytest.raises(OrderRefused, match="cannot be wrapped"):
        mt.write_mt100(replace(BATCH, orders=(order(17, COFFEE, 1, "-" * 200),)), UTF_8)


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("write", [mt.write_mt100, mt.write_mt102])
@pytest.mark.parametrize("encoding", [UTF_8, WINDOWS])
def test_no_name_breaks_out_of_its_line(name, write, encoding):
    attacked = with_name(name)
    (message,) = messages_of(attacked, write, encoding)
    fields = dict(message)
    assert [tag for tag, _ in message] == [
        tag for tag, _ in messages_of(with_name("ТОО"), write, encoding)[0]
    ]
    assert tiyn(fields["32A"]) == 15_200_050
    assert fields["59"].split("\n")[0] == COFFEE.iban
    assert mt_fields(fields["59"])["IDN"] == COFFEE.business_id
    text = write(attacked, encoding).content.decode(encoding)
    assert text.count("-}") == text.count("{4:") == text.count(":59:") == 1
    assert text.count("/IDN/") == 2


def test_wide_marks_that_windows_1251_writes_as_plain_ones_are_harmless_too():
    (message,) = messages_of(with_name("ТОО \uff1a59\uff1aKZ"), mt.write_mt100, WINDOWS)
    assert mt_fields(dict(message)["59"])["NAME"] == "ТОО : 59:KZ"


def test_only_what_differs_beyond_capitals_is_a_warning():
    assert (
        mt.write_mt100(replace(BATCH, orders=(order(18, TAILOR, 1), order(19, BOOKS, 1))), UTF_8).warnings
        == ()
    )
    assert [w.number for w in mt.write_mt100(BATCH, WINDOWS).warnings] == [None, 17, 18, 19]
