"""Bank statements and their lines, and what the database itself holds about them.

A file never changes; of a line, only what was decided about it, and a matched line never again. Nothing is deleted.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

FORWARD = """
CREATE TRIGGER statement_append_only BEFORE UPDATE OR DELETE ON settlements_bankstatement
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER statement_no_truncate BEFORE TRUNCATE ON settlements_bankstatement
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER statement_balance_append_only BEFORE UPDATE OR DELETE ON settlements_bankstatementbalance
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER statement_balance_no_truncate BEFORE TRUNCATE ON settlements_bankstatementbalance
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER statement_line_no_delete BEFORE DELETE ON settlements_bankstatementline
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER statement_line_no_truncate BEFORE TRUNCATE ON settlements_bankstatementline
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION check_statement_line_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.statement_id, OLD.position, OLD.identity_sha256, OLD.account_iban, OLD.direction, OLD.amount_tiyn,
        OLD.booked_on, OLD.document_number, OLD.reference, OLD.purpose, OLD.counterparty_name,
        OLD.counterparty_business_id, OLD.counterparty_iban, OLD.counterparty_bic, OLD.knp, OLD.is_return, OLD.raw)
       IS DISTINCT FROM
       (NEW.id, NEW.statement_id, NEW.position, NEW.identity_sha256, NEW.account_iban, NEW.direction, NEW.amount_tiyn,
        NEW.booked_on, NEW.document_number, NEW.reference, NEW.purpose, NEW.counterparty_name,
        NEW.counterparty_business_id, NEW.counterparty_iban, NEW.counterparty_bic, NEW.knp, NEW.is_return, NEW.raw) THEN
        RAISE EXCEPTION 'what the bank said in line % does not change', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.status = 'Matched' THEN
        RAISE EXCEPTION 'line % is matched and stays so', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER statement_line_change BEFORE UPDATE ON settlements_bankstatementline
    FOR EACH ROW EXECUTE FUNCTION check_statement_line_change();

CREATE FUNCTION check_statement_line_payout() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.payout_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM settlements_payout WHERE id = NEW.payout_id AND amount_tiyn = NEW.amount_tiyn
    ) THEN
        RAISE EXCEPTION 'line % has another amount than payout %', NEW.id, NEW.payout_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER statement_line_payout AFTER INSERT OR UPDATE OF payout_id ON settlements_bankstatementline
    FOR EACH ROW EXECUTE FUNCTION check_statement_line_payout();
"""

BACKWARD = """
DROP TRIGGER statement_line_payout ON settlements_bankstatementline;
DROP TRIGGER statement_line_change ON settlements_bankstatementline;
DROP TRIGGER statement_line_no_truncate ON settlements_bankstatementline;
DROP TRIGGER statement_line_no_delete ON settlements_bankstatementline;
DROP TRIGGER statement_balance_no_truncate ON settlements_bankstatementbalance;
DROP TRIGGER statement_balance_append_only ON settlements_bankstatementbalance;
DROP TRIGGER statement_no_truncate ON settlements_bankstatement;
DROP TRIGGER statement_append_only ON settlements_bankstatement;
DROP FUNCTION check_statement_line_payout();
DROP FUNCTION check_statement_line_change();
"""


class Migration(migrations.Migration):
    dependencies = [("settlements", "0007_payouts"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name='BankStatement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('format', models.CharField(choices=[('1C', '1CClientBankExchange'), ('camt.053', 'ISO 20022 camt.053'), ('CSV', 'CSV')], max_length=16, verbose_name='format')),
                ('file_name', models.CharField(max_length=200, verbose_name='file')),
                ('content', models.BinaryField()),
                ('content_sha256', models.BinaryField(max_length=32)),
                ('doubts', models.JSONField(default=list)),
                ('line_count', models.PositiveIntegerField(verbose_name='lines')),
                ('new_line_count', models.PositiveIntegerField(verbose_name='new lines')),
                ('imported_at', models.DateTimeField(verbose_name='brought at')),
                ('imported_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='brought by')),
            ],
            options={
                'verbose_name': 'bank statement',
                'verbose_name_plural': 'bank statements',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='BankStatementBalance',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account_iban', models.CharField(max_length=34, verbose_name='account')),
                ('first_day', models.DateField(null=True, verbose_name='first day')),
                ('last_day', models.DateField(null=True, verbose_name='last day')),
                ('opening_tiyn', models.BigIntegerField(null=True, verbose_name='opening balance, tiyn')),
                ('incoming_tiyn', models.BigIntegerField(null=True, verbose_name='came in, tiyn')),
                ('outgoing_tiyn', models.BigIntegerField(null=True, verbose_name='went out, tiyn')),
                ('closing_tiyn', models.BigIntegerField(null=True, verbose_name='closing balance, tiyn')),
                ('statement', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='balances', to='settlements.bankstatement', verbose_name='bank statement')),
            ],
            options={
                'verbose_name': 'balance of a bank statement',
                'verbose_name_plural': 'balances of bank statements',
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='StatementColumns',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80, unique=True, verbose_name='name')),
                ('day', models.CharField(max_length=80, verbose_name='column of the day')),
                ('day_format', models.CharField(default='%d.%m.%Y', help_text='%d.%m.%Y for 23.11.2026', max_length=20, verbose_name='form of the day')),
                ('amount', models.CharField(blank=True, max_length=80, verbose_name='column of signed amounts')),
                ('incoming', models.CharField(blank=True, max_length=80, verbose_name='column of incoming amounts')),
                ('outgoing', models.CharField(blank=True, max_length=80, verbose_name='column of outgoing amounts')),
                ('document_number', models.CharField(blank=True, max_length=80, verbose_name="column of the document's number")),
                ('reference', models.CharField(blank=True, max_length=80, verbose_name='column of the reference')),
                ('purpose', models.CharField(blank=True, max_length=80, verbose_name='column of the purpose')),
                ('counterparty_name', models.CharField(blank=True, max_length=80, verbose_name="column of the other side's name")),
                ('counterparty_business_id', models.CharField(blank=True, max_length=80, verbose_name="column of the other side's БИН")),
                ('counterparty_iban', models.CharField(blank=True, max_length=80, verbose_name="column of the other side's account")),
                ('counterparty_bic', models.CharField(blank=True, max_length=80, verbose_name="column of the other side's bank")),
                ('knp', models.CharField(blank=True, max_length=80, verbose_name='column of the КНП')),
                ('delimiter', models.CharField(choices=[(';', ';'), (',', ','), ('\t', 'tabulator')], default=';', max_length=1, verbose_name='delimiter')),
                ('encoding', models.CharField(choices=[('utf-8', 'UTF-8'), ('windows-1251', 'windows-1251'), ('kz1048', 'KZ-1048')], default='utf-8', max_length=16, verbose_name='encoding')),
                ('servicing_bank', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='settlements.servicingbank', verbose_name='account')),
            ],
            options={
                'verbose_name': 'columns of a CSV statement',
                'verbose_name_plural': 'columns of CSV statements',
                'ordering': ['name'],
            },
        ),
        migrations.AddField(
            model_name='bankstatement',
            name='columns',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='settlements.statementcolumns', verbose_name='columns'),
        ),
        migrations.CreateModel(
            name='BankStatementLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveIntegerField(verbose_name='position in the file')),
                ('identity_sha256', models.BinaryField(max_length=32, unique=True)),
                ('account_iban', models.CharField(max_length=34, verbose_name='account')),
                ('direction', models.CharField(choices=[('in', 'incoming'), ('out', 'outgoing')], max_length=3, verbose_name='direction')),
                ('amount_tiyn', models.BigIntegerField(verbose_name='amount, tiyn')),
                ('booked_on', models.DateField(verbose_name='day')),
                ('document_number', models.TextField(blank=True, verbose_name="document's number")),
                ('reference', models.TextField(blank=True, verbose_name='reference')),
                ('purpose', models.TextField(blank=True, verbose_name='purpose')),
                ('counterparty_name', models.TextField(blank=True, verbose_name='other side')),
                ('counterparty_business_id', models.TextField(blank=True, verbose_name="other side's БИН")),
                ('counterparty_iban', models.TextField(blank=True, verbose_name="other side's account")),
                ('counterparty_bic', models.TextField(blank=True, verbose_name="other side's bank")),
                ('knp', models.TextField(blank=True, verbose_name='КНП')),
                ('is_return', models.BooleanField(verbose_name='called a return')),
                ('raw', models.JSONField()),
                ('status', models.CharField(choices=[('Open', 'Not matched'), ('Matched', 'Matched'), ('SetAside', 'Set aside')], default='Open', max_length=10, verbose_name='status')),
                ('fault', models.CharField(blank=True, choices=[('not named', 'names no payout'), ('not a return', 'incoming money that is no return'), ('amount', "the amount is not the payout's"), ('counterparty', "the other side is not the payout's payee"), ('account', "paid from another account than the batch's"), ('ambiguous', 'fits several payouts'), ('not approved', 'the payout was never approved'), ('not completed', 'a return of a payout that is not completed yet'), ('cancelled', 'the payout is cancelled'), ('taken', 'another line stands for this already'), ('sums', 'a return, in a statement whose sums do not agree'), ('refused', 'the payout moved at the same moment')], max_length=16, verbose_name='why not matched')),
                ('decided_at', models.DateTimeField(null=True, verbose_name='decided at')),
                ('reason', models.CharField(blank=True, max_length=300, verbose_name='reason')),
                ('decided_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='decided by')),
                ('payout', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='statement_lines', to='settlements.payout', verbose_name='payout')),
                ('statement', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='settlements.bankstatement', verbose_name='bank statement')),
            ],
            options={
                'verbose_name': 'line of a bank statement',
                'verbose_name_plural': 'lines of bank statements',
                'ordering': ['-booked_on', '-id'],
                'permissions': [('decide_bankstatementline', 'Can match and set aside lines of bank statements')],
                'indexes': [models.Index(condition=models.Q(('status', 'Open')), fields=['booked_on', 'id'], name='statement_line_open')],
                'constraints': [models.UniqueConstraint(fields=('statement', 'position'), name='statement_line_position'), models.UniqueConstraint(condition=models.Q(('payout__isnull', False)), fields=('payout', 'direction'), name='one_line_pays_and_one_returns_a_payout'), models.CheckConstraint(condition=models.Q(('amount_tiyn__gt', 0)), name='statement_line_amount_positive'), models.CheckConstraint(condition=models.Q(('direction__in', ['in', 'out'])), name='statement_line_direction'), models.CheckConstraint(condition=models.Q(('status__in', ['Open', 'Matched', 'SetAside'])), name='statement_line_status'), models.CheckConstraint(condition=models.Q(models.Q(('payout__isnull', False), ('status', 'Matched')), models.Q(models.Q(('status', 'Matched'), _negated=True), ('payout__isnull', True)), _connector='OR'), name='statement_line_matched_iff_payout'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'SetAside'), _negated=True), models.Q(('decided_by__isnull', False), models.Q(('reason', ''), _negated=True)), _connector='OR'), name='statement_line_set_aside_by_somebody')],
            },
        ),
        migrations.AddConstraint(
            model_name='statementcolumns',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(models.Q(('amount', ''), _negated=True), ('incoming', ''), ('outgoing', '')), models.Q(('amount', ''), models.Q(('incoming', ''), _negated=True), models.Q(('outgoing', ''), _negated=True)), _connector='OR'), name='statement_columns_have_amounts', violation_error_message='Name either one column of signed amounts, or one for each direction.'),
        ),
        migrations.AddConstraint(
            model_name='bankstatement',
            constraint=models.UniqueConstraint(condition=models.Q(('columns__isnull', True)), fields=('content_sha256',), name='statement_file_once'),
        ),
        migrations.AddConstraint(
            model_name='bankstatement',
            constraint=models.UniqueConstraint(condition=models.Q(('columns__isnull', False)), fields=('content_sha256', 'columns'), name='statement_table_once'),
        ),
        migrations.AddConstraint(
            model_name='bankstatement',
            constraint=models.CheckConstraint(condition=models.Q(('new_line_count__lte', models.F('line_count'))), name='statement_line_counts'),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
