"""How a merchant is paid out; what a store does with an excess.

The bank account of a merchant that may trade changes by a BankAccountChange that was applied, and in no other way; a change
that was asked for is never edited, only applied or cancelled, once.
"""

import datetime

import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models

FORWARD = """
CREATE FUNCTION check_account_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a change of a bank account is never deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (NEW.merchant_id, NEW.old_iban, NEW.old_bank_bic, NEW.new_iban, NEW.new_bank_bic, NEW.requested_by_id,
        NEW.requested_at, NEW.effective_at)
       IS DISTINCT FROM
       (OLD.merchant_id, OLD.old_iban, OLD.old_bank_bic, OLD.new_iban, OLD.new_bank_bic, OLD.requested_by_id,
        OLD.requested_at, OLD.effective_at)
       OR (OLD.applied_at IS NOT NULL AND NEW.applied_at IS DISTINCT FROM OLD.applied_at)
       OR (OLD.cancelled_at IS NOT NULL AND NEW.cancelled_at IS DISTINCT FROM OLD.cancelled_at) THEN
        RAISE EXCEPTION 'a change of a bank account is applied or cancelled once, and never edited'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER account_change_stays BEFORE UPDATE OR DELETE ON merchants_bankaccountchange
    FOR EACH ROW EXECUTE FUNCTION check_account_change();

CREATE FUNCTION check_merchant_account() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    latest record;
BEGIN
    IF OLD.status NOT IN ('Approved', 'Suspended')
       OR (NEW.iban, NEW.bank_bic) IS NOT DISTINCT FROM (OLD.iban, OLD.bank_bic) THEN
        RETURN NEW;
    END IF;
    SELECT new_iban, new_bank_bic INTO latest FROM merchants_bankaccountchange
     WHERE merchant_id = NEW.id AND applied_at IS NOT NULL ORDER BY applied_at DESC, id DESC LIMIT 1;
    IF NOT FOUND OR (latest.new_iban, latest.new_bank_bic) IS DISTINCT FROM (NEW.iban, NEW.bank_bic) THEN
        RAISE EXCEPTION 'the bank account of merchant % changes by a change that waited, not by hand', NEW.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER merchant_account_changes_slowly BEFORE UPDATE ON merchants_merchant
    FOR EACH ROW EXECUTE FUNCTION check_merchant_account();
"""

BACKWARD = """
DROP TRIGGER merchant_account_changes_slowly ON merchants_merchant;
DROP FUNCTION check_merchant_account();
DROP TRIGGER account_change_stays ON merchants_bankaccountchange;
DROP FUNCTION check_account_change();
"""


class Migration(migrations.Migration):
    dependencies = [("merchants", "0001_initial")]
    operations = [
        migrations.AddField("store", "excess_policy", models.CharField(choices=[("Hold", "Held for the customer"), ("Merchant", "Yours, like the price itself")], default="Hold", max_length=8, verbose_name="excess payments")),
        migrations.CreateModel(
            name='BankAccountChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('old_iban', models.CharField(max_length=20)),
                ('old_bank_bic', models.CharField(max_length=11)),
                ('new_iban', models.CharField(max_length=20)),
                ('new_bank_bic', models.CharField(max_length=11)),
                ('requested_at', models.DateTimeField()),
                ('effective_at', models.DateTimeField()),
                ('told_at', models.DateTimeField(null=True)),
                ('applied_at', models.DateTimeField(null=True)),
                ('cancelled_at', models.DateTimeField(null=True)),
                ('cancelled_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='bank_account_changes', to='merchants.merchant')),
                ('requested_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-requested_at', '-id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('new_iban__regex', '^KZ\\d{5}[A-Z0-9]{13}$')), name='account_change_iban_of_kazakhstan'), models.CheckConstraint(condition=models.Q(('effective_at__gte', django.db.models.expressions.CombinedExpression(models.F('requested_at'), '+', models.Value(datetime.timedelta(days=1))))), name='account_change_waits_a_day'), models.CheckConstraint(condition=models.Q(('applied_at__isnull', True), models.Q(('applied_at__gte', models.F('effective_at')), ('cancelled_at__isnull', True)), _connector='OR'), name='account_change_applied_after_its_wait'), models.CheckConstraint(condition=models.Q(models.Q(('cancelled_at__isnull', True), ('cancelled_by__isnull', True)), models.Q(('cancelled_at__isnull', False), ('cancelled_by__isnull', False)), _connector='OR'), name='account_change_cancelled_by_somebody'), models.UniqueConstraint(condition=models.Q(('applied_at__isnull', True), ('cancelled_at__isnull', True)), fields=('merchant',), name='one_waiting_account_change')],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
