"""An entry by itself has a function of its own: most entries are posted one at a time, in the caller's database transaction.

``ledger_post`` takes lists of vouchers side by side and joins them with their lines; for a list of one that is a third of all the
work. ``ledger_post_one`` knows its one voucher from its parameters. Its plan is made once a connection: looking at the lists
of each call, PostgreSQL would believe that planning anew pays, and plan anew for every entry.
"""

from django.db import migrations

# The new entry's id; null when its key stands already, 0 when an account is missing: nothing is written then.
POST_ONE = """
CREATE FUNCTION ledger_post_one(
    key text, digest bytea, recipe text, day date, cause text, description text, reversed bigint, moment timestamptz,
    codes text[], sides text[], amounts numeric[]
) RETURNS bigint LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    WITH line AS MATERIALIZED (
        SELECT account.id AS account_id, account.asset_code, list.side, list.amount, list.n
          FROM unnest(codes, sides, amounts) WITH ORDINALITY AS list (code, side, amount, n)
         CROSS JOIN LATERAL (
               SELECT id, asset_code FROM settlements_account WHERE code = list.code LIMIT 1) account
    ), entry AS (
        INSERT INTO settlements_journalentry (idempotency_key, content_sha256, recipe, business_date, reference,
                                              description, reverses_id, posted_at, posting_count)
        SELECT key, digest, recipe, day, cause, description, reversed, moment, cardinality(codes)
         WHERE (SELECT count(*) FROM line) = cardinality(codes)
        ON CONFLICT (idempotency_key) DO NOTHING
        RETURNING id
    )
    INSERT INTO settlements_posting (entry_id, account_id, business_date, asset_code, side, amount_minor)
    SELECT entry.id, line.account_id, day, line.asset_code, line.side, line.amount
      FROM entry CROSS JOIN line ORDER BY line.n;
    IF FOUND THEN
        RETURN currval('settlements_journalentry_id_seq');
    END IF;
    IF EXISTS (SELECT 1 FROM settlements_journalentry WHERE idempotency_key = key) THEN
        RETURN NULL;
    END IF;
    RETURN 0;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("settlements", "0010_documents")]
    operations = [migrations.RunSQL(POST_ONE, "DROP FUNCTION ledger_post_one;")]
