"""An answer of an odd shape is the fault of the node that gave it: another may do better."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from chains.nodes import NodeUnreachable


class _Named(Protocol):
    name: str


_Self = TypeVar("_Self", bound=_Named)
_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

_Method = Callable[Concatenate[_Self, _Parameters], _Result]


def fault_of_the_node(method: _Method[_Self, _Parameters, _Result]) -> _Method[_Self, _Parameters, _Result]:
    """What taking an answer apart raises when it lacks a field, or holds a thing of another kind, becomes NodeUnreachable.

    The original error stays attached, with its place in the code: it may be ours after all.
    """

    @functools.wraps(method)
    def guarded(self: _Self, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        try:
            return method(self, *args, **kwargs)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise NodeUnreachable(f"{self.name}: an answer of an odd shape ({error!r:.100})") from error

    return guarded
