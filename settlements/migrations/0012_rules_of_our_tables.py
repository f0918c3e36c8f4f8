"""The rules look at our tables, whatever the session that writes has besides.

A name without its schema is looked for among a session's temporary tables first: whoever may insert and make temporary tables could
put an empty ``settlements_closedday`` before the one that says which days are closed. From here on temporary tables come last.

And two rules that were missing: an account is what its code says, in one word; no entry counts on a day beyond the calendar, which
no seal would ever reach ("infinity").
"""

from django.db import migrations

FUNCTIONS = (
    "refuse_change",
    "check_entries_balance",
    "check_entry_has_postings",
    "check_entries_day_is_open",
    "check_day_may_close",
    "check_day_may_be_sealed",
    "write_closing_balances",
    "refuse_closing_balance",
    "refuse_account_change",
    "check_payout",
    "check_payout_is_posted",
    "check_payout_batch",
    "check_statement_line_change",
    "check_statement_line_payout",
    "guard_two_person_document",
    "guard_correction_lines",
    "check_correction_has_lines",
)

# The schema that the tables are in is the one that the migrations run in.
LOOK_AT_OUR_TABLES = "".join(
    f"DO $$ BEGIN EXECUTE format('ALTER FUNCTION {name}() SET search_path = %I, pg_temp', current_schema()); END $$;"
    for name in FUNCTIONS
)
LOOK_ANYWHERE = "".join(f"ALTER FUNCTION {name}() RESET search_path;" for name in FUNCTIONS)

NAMES_AND_DAYS = """
ALTER TABLE settlements_account ADD CONSTRAINT account_is_what_its_code_says CHECK (
    code = kind || ':' || asset_code || coalesce(':' || nullif(merchant_id, ''), '') || coalesce(':' || nullif(part, ''), '')
    AND code !~ '[[:space:]]');
ALTER TABLE settlements_journalentry DROP CONSTRAINT entry_counts_on_its_day;
ALTER TABLE settlements_journalentry ADD CONSTRAINT entry_counts_on_its_day CHECK (
    business_date = (posted_at AT TIME ZONE 'Asia/Almaty')::date AND business_date BETWEEN '2000-01-01' AND '2998-12-31');
"""
NO_NAMES_AND_DAYS = """
ALTER TABLE settlements_account DROP CONSTRAINT account_is_what_its_code_says;
ALTER TABLE settlements_journalentry DROP CONSTRAINT entry_counts_on_its_day;
ALTER TABLE settlements_journalentry ADD CONSTRAINT entry_counts_on_its_day CHECK (
    business_date = (posted_at AT TIME ZONE 'Asia/Almaty')::date);
"""


class Migration(migrations.Migration):
    dependencies = [("settlements", "0011_one_entry")]
    operations = [
        migrations.RunSQL(LOOK_AT_OUR_TABLES, LOOK_ANYWHERE),
        migrations.RunSQL(NAMES_AND_DAYS, NO_NAMES_AND_DAYS),
    ]
