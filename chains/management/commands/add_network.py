"""``manage.py add_network ethereum --node-check``: add a network by its name, with its coin."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chains import networks
from chains.networks import Anchor, NetworkRefused
from chains.nodes import NodeError, NodeUnavailable
from chains.presets import PRESETS, NetworkPreset


class Command(BaseCommand):
    """Adds the row of a network and of its coin, after asking the nodes in NODE_URLS where that is wanted or needed."""

    help = "Add a network that is known by name, with its coin: " + ", ".join(PRESETS)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("preset", choices=PRESETS, help="the network")
        parser.add_argument("--slug", default="", help="its name in NODE_URLS, where it is to be another")
        parser.add_argument("--name", default="", help="its name for people, where it is to be another")
        parser.add_argument(
            "--node-check", action="store_true", help="first ask every node which chain it follows"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Run. Raises CommandError when the network is refused or a node gives no answer; nothing is written then."""
        preset = PRESETS[options["preset"]]
        slug = options["slug"] or preset.slug
        try:
            anchor = self._anchor(slug, preset, asks=options["node_check"])
            network = networks.add_network(preset, slug=slug, name=options["name"], anchor=anchor)
        except (NetworkRefused, NodeUnavailable, NodeError) as error:
            raise CommandError(str(error)) from None
        finality = f"the tag {network.finality_tag}" if network.finality_tag else "depth"
        self.stdout.write(f"{network.name} ({network.slug}) added; final by {finality}")
        self.stdout.write(f"its block {network.anchor_height}: {network.anchor_hash_hex}")

    def _anchor(self, slug: str, preset: NetworkPreset, *, asks: bool) -> Anchor | None:
        if not asks and preset.anchor_hash_hex:
            return None
        return networks.read_anchor(slug, preset)
