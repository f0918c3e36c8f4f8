"""Payouts are compared with the ledger as well."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0012_refund_keys'),
    ]

    operations = [
        migrations.AlterField(
            model_name='difference',
            name='kind',
            field=models.CharField(choices=[('payment_reserve', "A payment's coins in the reserve"), ('payment_position', "A payment's coins credited"), ('payment_cost', "A payment's tenge credited"), ('payment_held', "A payment's coins held"), ('payment_merchant', 'Tenge of a payment at another merchant'), ('payment_transfer', 'A payment and its transfer'), ('entry_without_payment', 'An entry of a payment that is not there'), ('received_sum', 'Everything received'), ('held_sum', 'Everything held for residents'), ('refund_sum', 'Everything due to residents'), ('payout_owed', "A payout's tenge taken from what is owed"), ('payout_reserved', "A payout's tenge set aside"), ('payout_paid', "A payout's tenge paid by the bank"), ('entry_without_payout', 'An entry of a payout that is not there'), ('address_balance', 'More on an address than arrived'), ('place_balance', 'The reserve in a wallet'), ('payout_without_line', 'A completed payout that no statement shows'), ('line_without_payout', "A statement's line that matches nothing"), ('payout_amount', 'A payout and its statement line'), ('payout_overdue', 'A payout at the bank for too long')], max_length=24, verbose_name='what differs'),
        ),
    ]
