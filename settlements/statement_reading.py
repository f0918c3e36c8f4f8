"""Which reader a statement file is for, and whose account it is of."""

from __future__ import annotations

from settlements.bank_statements import camt053, client_bank_1c, csv_mapped
from settlements.bank_statements.lines import StatementFile, StatementRefused
from settlements.models import ServicingBank, StatementColumns, StatementFormat


def read(content: bytes, columns: StatementColumns | None) -> tuple[StatementFormat, StatementFile]:
    """The file read in the format that its content shows; ``columns`` say that it is a table.

    Raises:
        StatementRefused: it cannot be read whole.
    """
    if columns is not None:
        mapping = csv_mapped.Columns(
            account_iban=columns.servicing_bank.iban,
            **{
                field: getattr(columns, field)
                for field in csv_mapped.Columns.__dataclass_fields__
                if field != "account_iban"
            },
        )
        return StatementFormat.CSV, csv_mapped.read(content, mapping)
    if b"<" in content[:200] and not content.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"1C"):
        return StatementFormat.CAMT_053, camt053.read(content)
    return StatementFormat.CLIENT_BANK_1C, client_bank_1c.read(content)


def require_own_accounts(read: StatementFile) -> None:
    """A statement of the operator's own accounts.

    Raises:
        StatementRefused: it is of another account.
    """
    named = {line.account_iban for line in read.lines} | {balance.account_iban for balance in read.balances}
    own = set(ServicingBank.objects.filter(iban__in=named).values_list("iban", flat=True))
    if not named <= own:
        raise StatementRefused(f"{', '.join(sorted(named - own))} is no account of the operator")
