"""How a merchant is paid out; what a store does with an excess."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("merchants", "0001_initial")]
    operations = [
        migrations.AddField("store", "excess_policy", models.CharField(choices=[("Hold", "Held for the customer"), ("Merchant", "Yours, like the price itself")], default="Hold", max_length=8, verbose_name="excess payments")),
    ]
