"""The day of value of an approved batch stands from the moment that its file is first taken or it is sent, not from the approval.

A batch that was approved on Friday evening and taken on Monday asked the bank for a payment on Friday, which no bank makes. Until
somebody has the bytes, the day may still move on; never back.
"""

from django.db import migrations

RULES = """
CREATE OR REPLACE FUNCTION check_payout_batch() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    held record;
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a batch is cancelled, never deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.approved_by_id IS NOT NULL THEN
            RAISE EXCEPTION 'a batch is prepared before it is approved' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.number, NEW.servicing_bank_id, NEW.payout_count, NEW.total_tiyn, NEW.prepared_by_id, NEW.prepared_at)
       IS DISTINCT FROM
       (OLD.number, OLD.servicing_bank_id, OLD.payout_count, OLD.total_tiyn, OLD.prepared_by_id, OLD.prepared_at)
       OR {value_date_stands}
       OR (OLD.approved_by_id IS NOT NULL AND NEW.approved_by_id IS DISTINCT FROM OLD.approved_by_id) THEN
        RAISE EXCEPTION 'what batch % is made of never changes', NEW.number USING ERRCODE = 'restrict_violation';
    END IF;
    IF NOT payout_moves(OLD.status, NEW.status) THEN
        RAISE EXCEPTION 'batch % does not move from % to %', NEW.number, OLD.status, NEW.status
            USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.approved_by_id IS NULL AND NEW.approved_by_id IS NOT NULL THEN
        SELECT count(*) AS payouts, sum(amount_tiyn) AS total,
               bool_or(prepared_by_id IS NOT DISTINCT FROM NEW.approved_by_id) AS own
          INTO held FROM settlements_payout WHERE batch_id = NEW.id;
        IF held.own THEN
            RAISE EXCEPTION 'batch % holds a payout that its approver prepared', NEW.number
                USING ERRCODE = 'check_violation';
        END IF;
        IF (held.payouts, held.total) IS DISTINCT FROM (NEW.payout_count::bigint, NEW.total_tiyn::numeric) THEN
            RAISE EXCEPTION 'batch % does not add up to its payouts', NEW.number USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
-- What replaces a function forgets where it looks: see 0012.
DO $$ BEGIN EXECUTE format('ALTER FUNCTION check_payout_batch() SET search_path = %I, pg_temp', current_schema()); END $$;
"""


def rules(value_date_stands: str) -> str:
    return RULES.replace("{value_date_stands}", value_date_stands)


FROM_THE_FILE = rules(
    "NEW.value_date < OLD.value_date OR"
    " (coalesce(OLD.file_taken_at, OLD.sent_at) IS NOT NULL AND NEW.value_date <> OLD.value_date)"
)
FROM_THE_APPROVAL = rules("(OLD.approved_by_id IS NOT NULL AND NEW.value_date <> OLD.value_date)")


class Migration(migrations.Migration):
    dependencies = [("settlements", "0014_verifications")]
    operations = [migrations.RunSQL(FROM_THE_FILE, FROM_THE_APPROVAL)]
