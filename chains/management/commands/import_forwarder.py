"""Import a forwarder wallet, once its contracts were seen on the chain."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from chains import wallets
from chains.evm import forwarder_check
from chains.key_guard import KeyRefused
from chains.models import Network, NetworkKind
from chains.nodes import NodeUnavailable, NodeWrongChain


class Command(BaseCommand):
    help = "Make a forwarder wallet the one that deposit addresses come from, after looking at its contracts on the chain."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("network", help="the network, as in the admin")
        parser.add_argument("public_key", metavar="forwarder(…)", help="as prepare_forwarder prints it")
        parser.add_argument("--label", default="treasury")
        parser.add_argument("--owner", default="", help="whose the wallet is; the operator's when left out")

    def handle(self, *args: Any, **options: Any) -> None:
        network = Network.objects.filter(pk=options["network"], kind=NetworkKind.EVM).first()
        if network is None:
            raise CommandError(f"there is no EVM network {options['network']!r}")
        try:
            forwarder_check.verify(network, options["public_key"])
            wallet = wallets.import_wallet(
                network=network,
                label=options["label"],
                owner=options["owner"],
                public_key=options["public_key"],
                now=timezone.now(),
            )
        except (KeyRefused, NodeUnavailable, NodeWrongChain) as error:
            raise CommandError(str(error)) from error
        self.stdout.write("its first addresses:")
        for address in wallets.preview(network, wallet.public_key):
            self.stdout.write(f"  {address}")
