"""Days that are closed and sealed, and closing balances; and the ledger's rules at the speed of one statement an entry.

What the database holds from here on:

* An entry counts on the Almaty day of its moment, and no entry enters a closed day. Posting takes a shared advisory lock until
  its commit, closing a day the exclusive one: whoever closes sees every entry of the day, whoever posts later sees the closure.
* Days are closed one after another and only when they are over; seals follow in the same order; closing balances are written
  by the database itself when a day is sealed, and by nobody else.
* A posting repeats its entry's day beside its account's asset, so that a balance at any day's end is read off one index.
* Neither entries nor accounts change or go away. So all that ties a posting to them (its entry, the entry's day, its account, the
  account's asset) is checked once a statement, by the trigger that checks the balance. Foreign keys would check row by row, and
  lock the platform's account rows for each posting: all who post would meet there.
* The balance is checked over the rows of the statement. Rows in the table are only counted: an entry that gets lines twice has
  more of them than it states.
* Functions keep their plans: made while a table is small, a plan that reads all of it would stay. Hence ``enable_seqscan = off``.
"""

import alatau_pay.fields
import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

BALANCE_OF_THE_STATEMENT = """
CREATE OR REPLACE FUNCTION check_entries_balance() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    broken record;
BEGIN
    SELECT line.entry_id, line.asset_code,
           sum(CASE line.side WHEN 'D' THEN line.amount_minor ELSE -line.amount_minor END) <> 0 AS is_unbalanced,
           bool_or(account.asset_code IS DISTINCT FROM line.asset_code) AS is_of_another_asset
      INTO broken
      FROM inserted line
      LEFT JOIN LATERAL (
           SELECT asset_code FROM settlements_account WHERE id = line.account_id LIMIT 1) account ON true
     GROUP BY line.entry_id, line.asset_code, line.business_date
    HAVING sum(CASE line.side WHEN 'D' THEN line.amount_minor ELSE -line.amount_minor END) <> 0
        OR bool_or(account.asset_code IS DISTINCT FROM line.asset_code)
        OR (SELECT count(*) FROM settlements_posting posting WHERE posting.entry_id = line.entry_id)
           IS DISTINCT FROM
           (SELECT stated.posting_count FROM settlements_journalentry stated
             WHERE stated.id = line.entry_id AND stated.business_date = line.business_date)
     LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF broken.is_of_another_asset THEN
        RAISE EXCEPTION 'journal entry % has a posting in % to an account that is not of this asset',
            broken.entry_id, broken.asset_code USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF broken.is_unbalanced THEN
        RAISE EXCEPTION 'journal entry % does not balance in %', broken.entry_id, broken.asset_code
            USING ERRCODE = 'check_violation';
    END IF;
    RAISE EXCEPTION 'journal entry % has another number of postings than it states, or counts on another day than they do',
        broken.entry_id USING ERRCODE = 'check_violation';
END $$;
ALTER TABLE settlements_posting DROP CONSTRAINT posting_asset_is_its_accounts;
"""

BALANCE_OF_THE_TABLE = """
CREATE OR REPLACE FUNCTION check_entries_balance() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    broken record;
BEGIN
    SELECT entry.id INTO broken
      FROM settlements_journalentry entry
      JOIN settlements_posting posting ON posting.entry_id = entry.id
     WHERE entry.id IN (SELECT entry_id FROM inserted)
     GROUP BY entry.id, entry.posting_count
    HAVING count(*) <> entry.posting_count
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal entry % has another number of postings than it states', broken.id
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT posting.entry_id, posting.asset_code INTO broken
      FROM settlements_posting posting
     WHERE posting.entry_id IN (SELECT entry_id FROM inserted)
     GROUP BY posting.entry_id, posting.asset_code
    HAVING sum(CASE posting.side WHEN 'D' THEN posting.amount_minor ELSE -posting.amount_minor END) <> 0
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal entry % does not balance in %', broken.entry_id, broken.asset_code
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
ALTER TABLE settlements_posting ADD CONSTRAINT posting_asset_is_its_accounts
    FOREIGN KEY (account_id, asset_code) REFERENCES settlements_account (id, asset_code);
"""

# Entries that stand repeat their day in their postings; the triggers that refuse every change are off for this one.
FILL_DAYS = """
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE settlements_posting DISABLE TRIGGER posting_append_only;
UPDATE settlements_posting posting SET business_date = entry.business_date
  FROM settlements_journalentry entry WHERE entry.id = posting.entry_id;
ALTER TABLE settlements_posting ENABLE TRIGGER posting_append_only;
"""

# 'LD001' is ours: settlements.ledger knows by it that the day is closed.
RULES = """
ALTER TABLE settlements_journalentry ADD CONSTRAINT entry_counts_on_its_day
    CHECK (business_date = (posted_at AT TIME ZONE 'Asia/Almaty')::date);
ALTER TABLE settlements_closedday ADD CONSTRAINT closed_when_over
    CHECK (day < (closed_at AT TIME ZONE 'Asia/Almaty')::date);

CREATE FUNCTION check_entries_day_is_open() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    closed date;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'the ledger posts in READ COMMITTED alone: an older snapshot does not see a day closed'
            USING ERRCODE = 'feature_not_supported';
    END IF;
    -- A statement of its own: the next one sees what was committed while this one waited.
    PERFORM pg_advisory_xact_lock_shared(7014101);
    IF EXISTS (SELECT 1 FROM inserted WHERE business_date <= (SELECT max(day) FROM settlements_closedday)) THEN
        SELECT max(day) INTO closed FROM settlements_closedday;
        RAISE EXCEPTION 'the day is closed: entries up to % are final', closed USING ERRCODE = 'LD001';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER entry_day_is_open AFTER INSERT ON settlements_journalentry REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION check_entries_day_is_open();

CREATE FUNCTION check_day_may_close() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    closed date;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'a day is closed in READ COMMITTED alone' USING ERRCODE = 'feature_not_supported';
    END IF;
    PERFORM pg_advisory_xact_lock(7014101);
    SELECT max(day) INTO closed FROM settlements_closedday;
    IF NEW.day <> closed + 1 THEN
        RAISE EXCEPTION 'days are closed one after another: % does not follow %', NEW.day, closed
            USING ERRCODE = 'check_violation';
    END IF;
    IF closed IS NULL AND EXISTS (SELECT 1 FROM settlements_journalentry WHERE business_date < NEW.day) THEN
        RAISE EXCEPTION 'the first day to be closed is the first with an entry' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER day_may_close BEFORE INSERT ON settlements_closedday
    FOR EACH ROW EXECUTE FUNCTION check_day_may_close();

CREATE FUNCTION check_day_may_be_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM settlements_closedday closed
                 LEFT JOIN settlements_dayseal sealed ON sealed.day_id = closed.day
                WHERE closed.day < NEW.day_id AND sealed.day_id IS NULL) THEN
        RAISE EXCEPTION 'days are sealed one after another: a day before % has no seal', NEW.day_id
            USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.entry_count <> (SELECT count(*) FROM settlements_journalentry WHERE business_date = NEW.day_id) THEN
        RAISE EXCEPTION 'the seal of % is over another number of entries than the day has', NEW.day_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER day_may_be_sealed BEFORE INSERT ON settlements_dayseal
    FOR EACH ROW EXECUTE FUNCTION check_day_may_be_sealed();

CREATE FUNCTION write_closing_balances() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO settlements_closingbalance (account_id, day_id, balance_minor)
    SELECT account.id, NEW.day_id, moved.net + coalesce(
               (SELECT before.balance_minor FROM settlements_closingbalance before
                 WHERE before.account_id = account.id ORDER BY before.day_id DESC LIMIT 1), 0)
      FROM settlements_account account
     CROSS JOIN LATERAL (
               SELECT sum(CASE line.side WHEN 'D' THEN line.amount_minor ELSE -line.amount_minor END) AS net
                 FROM settlements_posting line
                WHERE line.account_id = account.id AND line.business_date = NEW.day_id) moved
     WHERE moved.net IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER closing_balances AFTER INSERT ON settlements_dayseal
    FOR EACH ROW EXECUTE FUNCTION write_closing_balances();

CREATE FUNCTION refuse_closing_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'closing balances are written when a day is sealed, and in no other way'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER only_by_sealing BEFORE INSERT ON settlements_closingbalance
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_closing_balance();

CREATE FUNCTION refuse_account_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an account keeps its name, its asset and its owner: % refused', TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER account_stays BEFORE UPDATE OR DELETE ON settlements_account
    FOR EACH ROW EXECUTE FUNCTION refuse_account_change();
CREATE TRIGGER account_no_truncate BEFORE TRUNCATE ON settlements_account
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_account_change();

ALTER TABLE settlements_dayseal ALTER COLUMN leaf_hashes SET STORAGE EXTERNAL;
"""

APPEND_ONLY = "".join(
    f"""
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
    for table in ("settlements_closedday", "settlements_dayseal", "settlements_closingbalance")
)

PLANS = "ALTER FUNCTION check_entry_has_postings() SET enable_seqscan = off;"
NO_PLANS = "ALTER FUNCTION check_entry_has_postings() RESET enable_seqscan;"

# The tables of days go away with their triggers.
NO_RULES = """
DROP TRIGGER account_no_truncate ON settlements_account;
DROP TRIGGER account_stays ON settlements_account;
DROP FUNCTION refuse_account_change();
DROP TRIGGER only_by_sealing ON settlements_closingbalance;
DROP FUNCTION refuse_closing_balance();
DROP TRIGGER closing_balances ON settlements_dayseal;
DROP FUNCTION write_closing_balances();
DROP TRIGGER day_may_be_sealed ON settlements_dayseal;
DROP FUNCTION check_day_may_be_sealed();
DROP TRIGGER day_may_close ON settlements_closedday;
DROP FUNCTION check_day_may_close();
DROP TRIGGER entry_day_is_open ON settlements_journalentry;
DROP FUNCTION check_entries_day_is_open();
ALTER TABLE settlements_closedday DROP CONSTRAINT closed_when_over;
ALTER TABLE settlements_journalentry DROP CONSTRAINT entry_counts_on_its_day;
"""

# One call posts any number of vouchers: lists side by side, a line naming its voucher by number from 1. Returns the number and
# the new entry of each voucher whose key did not stand yet; (0, null) alone, and nothing written, when an account is missing.
POST = """
CREATE FUNCTION ledger_post(
    keys text[], digests bytea[], recipes text[], dates date[], causes text[], descriptions text[], reversed bigint[],
    moments timestamptz[], counts smallint[], line_vouchers integer[], codes text[], sides text[], amounts numeric[]
) RETURNS TABLE (number integer, entry_id bigint) LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH voucher AS MATERIALIZED (
        SELECT * FROM unnest(keys, digests, recipes, dates, causes, descriptions, reversed, moments, counts)
            WITH ORDINALITY AS list (key, digest, recipe, day, cause, description, reverses, moment, lines, n)
    ), line AS MATERIALIZED (
        SELECT list.voucher, account.id AS account_id, account.asset_code, list.side, list.amount, list.n
          FROM unnest(line_vouchers, codes, sides, amounts) WITH ORDINALITY AS list (voucher, code, side, amount, n)
         CROSS JOIN LATERAL (
               SELECT id, asset_code FROM settlements_account WHERE code = list.code LIMIT 1) account
    ), missing AS MATERIALIZED (
        SELECT cardinality(codes) - count(*) AS accounts FROM line
    ), entry AS (
        INSERT INTO settlements_journalentry (idempotency_key, content_sha256, recipe, business_date, reference,
                                              description, reverses_id, posted_at, posting_count)
        SELECT key, digest, recipe, day, cause, description, reverses, moment, lines
          FROM voucher WHERE (SELECT accounts FROM missing) = 0 ORDER BY n
        ON CONFLICT (idempotency_key) DO NOTHING
        RETURNING id, idempotency_key
    ), posted AS (
        INSERT INTO settlements_posting (entry_id, account_id, business_date, asset_code, side, amount_minor)
        SELECT entry.id, line.account_id, voucher.day, line.asset_code, line.side, line.amount
          FROM line
          JOIN voucher ON voucher.n = line.voucher
          JOIN entry ON entry.idempotency_key = voucher.key
         ORDER BY line.n
    )
    SELECT voucher.n::integer, entry.id FROM voucher JOIN entry ON entry.idempotency_key = voucher.key
     UNION ALL SELECT 0, NULL::bigint FROM missing WHERE accounts > 0;
END $$;
"""

# The balance of an account at the end of a day: its last closing balance until then, and the postings since. A function, because
# its plan is kept: planning would take longer than reading. STABLE: it sees what the statement sees that calls it.
BALANCE = """
CREATE FUNCTION ledger_balance(which text, through date) RETURNS numeric STABLE LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    account bigint;
    closed date;
    balance numeric;
BEGIN
    SELECT id INTO account FROM settlements_account WHERE code = which;
    SELECT day_id, balance_minor INTO closed, balance FROM settlements_closingbalance
     WHERE account_id = account AND day_id <= through ORDER BY day_id DESC LIMIT 1;
    RETURN coalesce(balance, 0) + coalesce(
        (SELECT sum(CASE side WHEN 'D' THEN amount_minor ELSE -amount_minor END) FROM settlements_posting
          WHERE account_id = account AND business_date <= through
            AND business_date > coalesce(closed, '-infinity')), 0);
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("settlements", "0005_recipes")]

    operations = [
        migrations.CreateModel(
            name="ClosedDay",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False)),
                ("closed_at", models.DateTimeField()),
            ],
            options={"ordering": ["-day"]},
        ),
        migrations.CreateModel(
            name="DaySeal",
            fields=[
                (
                    "day",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="seal",
                        serialize=False,
                        to="settlements.closedday",
                    ),
                ),
                ("entry_count", models.PositiveIntegerField()),
                ("root", models.BinaryField(max_length=32)),
                ("seal", models.BinaryField(max_length=32)),
                ("leaf_hashes", models.BinaryField()),
                ("sealed_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-day_id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(("root__length", 32), ("seal__length", 32)), name="seal_is_sha256"
                    ),
                    models.CheckConstraint(
                        condition=Q(
                            (
                                "leaf_hashes__length",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("entry_count"), "*", models.Value(32)
                                ),
                            )
                        ),
                        name="seal_has_every_leaf",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ClosingBalance",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("balance_minor", alatau_pay.fields.MinorAmountField()),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="closing_balances",
                        to="settlements.account",
                    ),
                ),
                (
                    "day",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="closing_balances",
                        to="settlements.closedday",
                    ),
                ),
            ],
            options={
                "ordering": ["-day_id", "account_id"],
                "constraints": [
                    models.UniqueConstraint(fields=("account", "day"), name="one_closing_balance_per_day")
                ],
            },
        ),
        migrations.AddField(model_name="posting", name="business_date", field=models.DateField(null=True)),
        migrations.RunSQL(FILL_DAYS, migrations.RunSQL.noop),
        migrations.AlterField(model_name="posting", name="business_date", field=models.DateField()),
        migrations.AlterField(
            model_name="journalentry", name="idempotency_key", field=models.CharField(max_length=120)
        ),
        migrations.AlterField(
            model_name="posting",
            name="account",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="postings",
                to="settlements.account",
            ),
        ),
        migrations.AlterField(
            model_name="posting",
            name="entry",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="postings",
                to="settlements.journalentry",
            ),
        ),
        migrations.AddIndex(
            model_name="posting",
            index=models.Index(
                fields=["account", "business_date", "entry"],
                include=("side", "amount_minor"),
                name="posting_by_account_and_day",
            ),
        ),
        migrations.AddConstraint(
            model_name="journalentry",
            constraint=models.UniqueConstraint(fields=("idempotency_key",), name="one_entry_per_key"),
        ),
        migrations.AddConstraint(
            model_name="journalentry",
            constraint=models.UniqueConstraint(fields=("business_date", "id"), name="entry_and_its_day"),
        ),
        migrations.RunSQL(BALANCE_OF_THE_STATEMENT, BALANCE_OF_THE_TABLE),
        migrations.RunSQL(RULES + APPEND_ONLY, NO_RULES),
        migrations.RunSQL(PLANS, NO_PLANS),
        migrations.RunSQL(POST, "DROP FUNCTION ledger_post;"),
        migrations.RunSQL(BALANCE, "DROP FUNCTION ledger_balance;"),
    ]
