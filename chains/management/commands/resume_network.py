"""Read a halted network again, once a person has looked why it was halted."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chains import halting, rewinding
from chains.models import Network
from chains.nodes import NodeError, NodeUnavailable, NodeWrongChain


class Command(BaseCommand):
    help = "Read a halted network again from where it stopped, or from an earlier block."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the network, as in the admin")
        parser.add_argument(
            "--from-height",
            type=int,
            metavar="HEIGHT",
            help="take the network back to this block of the node and read again from there;"
            " needed after a reorganisation deeper than the kept blocks",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        slug, height = options["slug"], options["from_height"]
        if not Network.objects.filter(pk=slug).exists():
            raise CommandError(f"there is no network {slug!r}")
        if height is not None:
            self._rewind(slug, height)
        elif not halting.resume(slug):
            raise CommandError(f"{slug} was not halted")
        self.stdout.write(f"{slug} is read again")

    def _rewind(self, slug: str, height: int) -> None:
        try:
            rewinding.rewind(slug, height=height)
        except (rewinding.CannotRewind, NodeUnavailable, NodeError, NodeWrongChain) as error:
            raise CommandError(str(error)) from error
