"""Refunds, and what of them the database itself holds: never more goes back than came, never later than in 365 days.

The payment's row is locked before the refunds are summed, so two connections that refund at once are put in a line: the
second one sees what the first one committed.
"""

import alatau_pay.fields
import alatau_pay.identifiers
import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

FORWARD = """
CREATE FUNCTION check_refund() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    received numeric;
    came_at timestamptz;
    given numeric;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.payment_id, NEW.amount_minor, NEW.value_tiyn, NEW.source, NEW.requested_at)
            IS DISTINCT FROM (OLD.payment_id, OLD.amount_minor, OLD.value_tiyn, OLD.source, OLD.requested_at) THEN
            RAISE EXCEPTION 'refund %: what it is of and how much stays as it was asked for', OLD.id
                USING ERRCODE = 'restrict_violation';
        END IF;
        IF OLD.status IN ('Completed', 'Sending') AND NEW.status = 'Cancelled' THEN
            RAISE EXCEPTION 'refund %: what was sent cannot be called off', OLD.id USING ERRCODE = 'restrict_violation';
        END IF;
        IF NEW.status = OLD.status OR OLD.status <> 'Cancelled' THEN
            RETURN NEW;
        END IF;
    END IF;
    SELECT amount_minor, received_at INTO received, came_at
      FROM payments_payment WHERE id = NEW.payment_id FOR NO KEY UPDATE;
    SELECT coalesce(sum(amount_minor), 0) INTO given
      FROM payments_refund WHERE payment_id = NEW.payment_id AND status <> 'Cancelled' AND id <> NEW.id;
    IF NEW.status <> 'Cancelled' AND given + NEW.amount_minor > received THEN
        RAISE EXCEPTION 'payment %: its refunds would exceed what it brought', NEW.payment_id
            USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.requested_at > came_at + interval '365 days' THEN
        RAISE EXCEPTION 'payment %: it came more than 365 days ago', NEW.payment_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refund_within_payment BEFORE INSERT OR UPDATE ON payments_refund
    FOR EACH ROW EXECUTE FUNCTION check_refund();
CREATE TRIGGER refund_is_never_deleted BEFORE DELETE ON payments_refund
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refund_no_truncate BEFORE TRUNCATE ON payments_refund
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

BACKWARD = """
DROP TRIGGER refund_no_truncate ON payments_refund;
DROP TRIGGER refund_is_never_deleted ON payments_refund;
DROP TRIGGER refund_within_payment ON payments_refund;
DROP FUNCTION check_refund();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("chains", "0005_outgoing"),
        ("payments", "0006_rates"),
        ("settlements", "0005_recipes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="RefundBatch",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("psbt", models.TextField()),
                ("txid", models.BinaryField(max_length=32, null=True)),
                (
                    "spends",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=80), size=None
                    ),
                ),
                ("fee_minor", alatau_pay.fields.MinorAmountField()),
                ("sat_per_vbyte", models.PositiveIntegerField()),
                ("made_at", models.DateTimeField()),
                ("discarded_at", models.DateTimeField(null=True)),
                (
                    "discarded_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "made_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "wallet",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="chains.wallet"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "refund batches",
                "ordering": ["-made_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="RefundNetworkFee",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("txid", models.BinaryField(max_length=32)),
                ("fee_minor", alatau_pay.fields.MinorAmountField()),
                ("value_tiyn", models.BigIntegerField()),
                ("posted_at", models.DateTimeField()),
                ("reversed_at", models.DateTimeField(null=True)),
                (
                    "coin",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="chains.onchainasset",
                    ),
                ),
                (
                    "ledger_entry",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="settlements.journalentry",
                    ),
                ),
                (
                    "network",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="chains.network"
                    ),
                ),
            ],
            options={
                "ordering": ["-posted_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="Refund",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "link_id",
                    models.CharField(
                        default=alatau_pay.identifiers.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[("Credited", "of the store"), ("Held", "held for the resident")],
                        max_length=8,
                    ),
                ),
                (
                    "basis",
                    models.CharField(
                        choices=[
                            ("Then", "At the rate of the payment"),
                            ("Now", "At the rate of now"),
                            ("Excess", "What is held: the excess, or what came late, short or twice"),
                            ("Amount", "A stated amount of the coin"),
                        ],
                        max_length=8,
                    ),
                ),
                ("amount_minor", alatau_pay.fields.MinorAmountField()),
                ("value_tiyn", models.BigIntegerField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("AwaitingAddress", "Waits for the resident's address"),
                            ("AwaitingApproval", "Waits for the store's approval"),
                            ("Approved", "Approved, to be sent"),
                            ("Sending", "On its way"),
                            ("Completed", "Sent"),
                            ("Cancelled", "Called off"),
                        ],
                        max_length=16,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=300)),
                ("requested_at", models.DateTimeField()),
                ("address_given_at", models.DateTimeField(null=True)),
                ("approved_at", models.DateTimeField(null=True)),
                ("sendings", models.PositiveIntegerField(default=0)),
                ("completed_at", models.DateTimeField(null=True)),
                ("cancelled_at", models.DateTimeField(null=True)),
                ("cancelled_reason", models.CharField(blank=True, max_length=300)),
                (
                    "approved_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "cancelled_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "destination",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="chains.destination",
                    ),
                ),
                (
                    "due_entry",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="settlements.journalentry",
                    ),
                ),
                (
                    "held_decision",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="refund",
                        to="payments.helddecision",
                    ),
                ),
                (
                    "outgoing",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="refund",
                        to="chains.outgoingtransfer",
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="refunds",
                        to="payments.payment",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "sent_entry",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="settlements.journalentry",
                    ),
                ),
                (
                    "batch",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="refunds",
                        to="payments.refundbatch",
                    ),
                ),
                (
                    "network_fee",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="refunds",
                        to="payments.refundnetworkfee",
                    ),
                ),
            ],
            options={
                "ordering": ["-requested_at", "-id"],
            },
        ),
        migrations.AddConstraint(
            model_name="refundbatch",
            constraint=models.CheckConstraint(
                condition=models.Q(("fee_minor__gt", 0)), name="refund_batch_has_fee"
            ),
        ),
        migrations.AddConstraint(
            model_name="refundbatch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("discarded_at__isnull", True), ("discarded_by__isnull", True)),
                    models.Q(("discarded_at__isnull", False), ("discarded_by__isnull", False)),
                    _connector="OR",
                ),
                name="refund_batch_discarded_by_somebody",
            ),
        ),
        migrations.AddConstraint(
            model_name="refundnetworkfee",
            constraint=models.UniqueConstraint(
                condition=models.Q(("reversed_at__isnull", True)),
                fields=("network", "txid"),
                name="one_standing_network_fee",
            ),
        ),
        migrations.AddConstraint(
            model_name="refundnetworkfee",
            constraint=models.CheckConstraint(
                condition=models.Q(("fee_minor__gt", 0)), name="network_fee_positive"
            ),
        ),
        migrations.AddIndex(
            model_name="refund",
            index=models.Index(
                condition=models.Q(("status", "Approved")), fields=["approved_at"], name="refund_to_be_sent"
            ),
        ),
        migrations.AddIndex(
            model_name="refund",
            index=models.Index(
                condition=models.Q(("status", "Sending")), fields=["id"], name="refund_on_its_way"
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_minor__gt", 0)), name="refund_amount_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(("value_tiyn__gte", 0)), name="refund_value_not_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["AwaitingAddress", "Cancelled"]),
                    ("destination__isnull", False),
                    _connector="OR",
                ),
                name="refund_has_address",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status__in", ["Approved", "Sending", "Completed"]), _negated=True),
                    models.Q(("approved_at__isnull", False), ("due_entry__isnull", False)),
                    _connector="OR",
                ),
                name="refund_sent_only_when_approved_and_owed",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("completed_at__isnull", False),
                        ("outgoing__isnull", False),
                        ("sent_entry__isnull", False),
                        ("status", "Completed"),
                    ),
                    models.Q(
                        models.Q(("status", "Completed"), _negated=True),
                        ("completed_at__isnull", True),
                        ("sent_entry__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="refund_completed_by_a_transfer",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("cancelled_at__isnull", False), ("outgoing__isnull", True), ("status", "Cancelled")
                    ),
                    models.Q(
                        models.Q(("status", "Cancelled"), _negated=True), ("cancelled_at__isnull", True)
                    ),
                    _connector="OR",
                ),
                name="refund_cancelled_unsent",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.UniqueConstraint(
                condition=models.Q(("source", "Held"), models.Q(("status", "Cancelled"), _negated=True)),
                fields=("payment",),
                name="one_refund_of_held_money",
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
