"""The rules look at our tables, whatever the session that writes has besides: see settlements 0012."""

from django.db import migrations

FUNCTIONS = (
    "check_refund",
    "refuse_rate_deletion",
)

# The schema that the tables are in is the one that the migrations run in.
LOOK_AT_OUR_TABLES = "".join(
    f"DO $$ BEGIN EXECUTE format('ALTER FUNCTION {name}() SET search_path = %I, pg_temp', current_schema()); END $$;"
    for name in FUNCTIONS
)
LOOK_ANYWHERE = "".join(f"ALTER FUNCTION {name}() RESET search_path;" for name in FUNCTIONS)


class Migration(migrations.Migration):
    dependencies = [("payments", "0010_refund_batches")]
    operations = [
        migrations.RunSQL(LOOK_AT_OUR_TABLES, LOOK_ANYWHERE),
    ]
