"""Print what brings the forwarder contracts for a treasury onto a network. Nothing is sent and nothing is signed here."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chains.evm.addresses import checksum_address
from chains.evm.forwarder import read_address
from chains.evm.forwarder_code import DEPLOYER, Deployment, deployments
from chains.evm.question import ask
from chains.evm.unsigned_call import UnsignedCall
from chains.key_guard import KeyRefused
from chains.models import Network, NetworkKind
from chains.nodes import NodeUnavailable, NodeWrongChain


class Command(BaseCommand):
    help = (
        "Print, as JSON, the unsigned calls that deploy the forwarder contracts for a treasury, the addresses these will "
        "have, and the text by which the wallet is then imported. What is deployed already is left out."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("network", help="the network, as in the admin")
        parser.add_argument(
            "--treasury",
            required=True,
            metavar="0x…",
            help="where all money goes, for ever; prefer a multi-signature wallet",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        network = Network.objects.filter(pk=options["network"], kind=NetworkKind.EVM).first()
        if network is None or network.chain_id is None:
            raise CommandError(f"there is no EVM network {options['network']!r}")
        try:
            treasury = read_address(options["treasury"], "treasury")
            forwarder, contracts = deployments(treasury)
            missing = _missing(network, contracts)
        except (KeyRefused, NodeUnavailable, NodeWrongChain) as error:
            raise CommandError(str(error)) from error
        answer = {
            "publicKey": str(forwarder),
            "factory": checksum_address(forwarder.factory),
            "implementation": checksum_address(forwarder.implementation),
            "treasury": checksum_address(treasury),
            "calls": [_call(contract, network.chain_id) for contract in missing],
        }
        self.stdout.write(json.dumps(answer, indent=1))


def _missing(network: Network, contracts: list[Deployment]) -> list[Deployment]:
    """Those not deployed yet.

    Raises:
        CommandError: the network lacks the deterministic deployment proxy.
    """
    addresses = [DEPLOYER, *(contract.address for contract in contracts)]
    deployer, *codes = ask(
        network, [("eth_getCode", ["0x" + address.hex(), "latest"]) for address in addresses]
    )
    if deployer == "0x":
        raise CommandError(
            f"this network has no deterministic deployment proxy at {checksum_address(DEPLOYER)}; deploy that first"
        )
    return [contract for contract, code in zip(contracts, codes, strict=True) if code == "0x"]


def _call(contract: Deployment, chain_id: int) -> dict[str, Any]:
    call = UnsignedCall(to=checksum_address(DEPLOYER), data=contract.data, chain_id=chain_id)
    return {
        "contract": contract.contract,
        "address": checksum_address(contract.address),
        **json.loads(call.json()),
    }
