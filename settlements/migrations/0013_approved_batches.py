"""What was approved stays what it is: no payout joins a batch after its approval, and the account that a batch is paid from,
with all that its file is made of, does not change. Where КНП and КБе stand in pain.001 belongs to that, so it moves from a
setting to the servicing bank."""

from django.db import migrations, models

FORWARD = """
CREATE FUNCTION check_payout_joins_batch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.batch_id IS NULL OR (TG_OP = 'UPDATE' AND NEW.batch_id IS NOT DISTINCT FROM OLD.batch_id) THEN
        RETURN NEW;
    END IF;
    -- Locked: an approval at the same moment either counts this payout or makes this wait, and then refuses it.
    PERFORM 1 FROM settlements_payoutbatch
      WHERE id = NEW.batch_id AND status = 'AwaitingApproval' AND approved_by_id IS NULL FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'payout % joins a batch before it is approved, or never', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
-- After payout_rules: triggers run in the order of their names.
CREATE TRIGGER payout_rules_of_joining BEFORE INSERT OR UPDATE OF batch_id ON settlements_payout
    FOR EACH ROW EXECUTE FUNCTION check_payout_joins_batch();

CREATE FUNCTION check_servicing_bank() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) - 'valid_to' <> to_jsonb(OLD) - 'valid_to'
       AND EXISTS (SELECT 1 FROM settlements_payoutbatch WHERE servicing_bank_id = OLD.id) THEN
        RAISE EXCEPTION 'files are made from servicing bank % again: only its last day changes', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER servicing_bank_stays BEFORE UPDATE ON settlements_servicingbank
    FOR EACH ROW EXECUTE FUNCTION check_servicing_bank();

-- As migration 0012 has it for the older rules: temporary tables of a session come last.
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION check_payout_joins_batch() SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION check_servicing_bank() SET search_path = %I, pg_temp', current_schema());
END $$;
"""

BACKWARD = """
DROP TRIGGER servicing_bank_stays ON settlements_servicingbank;
DROP FUNCTION check_servicing_bank();
DROP TRIGGER payout_rules_of_joining ON settlements_payout;
DROP FUNCTION check_payout_joins_batch();
"""


class Migration(migrations.Migration):
    dependencies = [("settlements", "0012_rules_of_our_tables")]
    operations = [
        migrations.AddField(
            model_name="servicingbank",
            name="remittance_template",
            field=models.CharField(blank=True, default="EKNP {kod}{kbe}{currency}{knp}", help_text="In the remittance text; the bank may want it otherwise. {kod} {kbe} {knp} {currency} {payer_business_id} {payee_business_id}", max_length=140, verbose_name="КНП and КБе in pain.001"),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
