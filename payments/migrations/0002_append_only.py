"""Quotes, invoice events and rate observations are facts: the database refuses to change or delete them."""

from django.db import migrations

TABLES = ["payments_quote", "payments_invoiceevent", "payments_rateobservation"]

FORWARD = "".join(
    f"""
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
    for table in TABLES
)
BACKWARD = "".join(
    f"DROP TRIGGER append_only ON {table}; DROP TRIGGER no_truncate ON {table};" for table in TABLES
)


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial"), ("settlements", "0002_ledger_rules")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
