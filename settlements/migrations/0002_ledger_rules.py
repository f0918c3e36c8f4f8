"""The ledger's rules, held by the database itself.

Entries and postings refuse UPDATE, DELETE and TRUNCATE; a posting names its account's asset; every statement that inserts
postings leaves each entry complete (``posting_count``) and balanced per asset; an entry without postings does not commit.
The balance is checked by a statement-level trigger: row-level deferred ones cost two to four times as much throughput.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER entry_append_only BEFORE UPDATE OR DELETE ON settlements_journalentry
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entry_no_truncate BEFORE TRUNCATE ON settlements_journalentry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER posting_append_only BEFORE UPDATE OR DELETE ON settlements_posting
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER posting_no_truncate BEFORE TRUNCATE ON settlements_posting
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE settlements_posting ADD CONSTRAINT posting_asset_is_its_accounts
    FOREIGN KEY (account_id, asset_code) REFERENCES settlements_account (id, asset_code);

CREATE FUNCTION check_entries_balance() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER posting_balance AFTER INSERT ON settlements_posting REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION check_entries_balance();

CREATE FUNCTION check_entry_has_postings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM settlements_posting WHERE entry_id = NEW.id) THEN
        RAISE EXCEPTION 'journal entry % has no postings', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER entry_has_postings AFTER INSERT ON settlements_journalentry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_entry_has_postings();
"""

BACKWARD = """
DROP TRIGGER entry_has_postings ON settlements_journalentry;
DROP TRIGGER posting_balance ON settlements_posting;
ALTER TABLE settlements_posting DROP CONSTRAINT posting_asset_is_its_accounts;
DROP TRIGGER posting_no_truncate ON settlements_posting;
DROP TRIGGER posting_append_only ON settlements_posting;
DROP TRIGGER entry_no_truncate ON settlements_journalentry;
DROP TRIGGER entry_append_only ON settlements_journalentry;
DROP FUNCTION check_entry_has_postings();
DROP FUNCTION check_entries_balance();
DROP FUNCTION refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("settlements", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
