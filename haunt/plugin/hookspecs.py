"""The hooks a plugin may implement. Both are called once, when the plugin is loaded."""

from __future__ import annotations

from collections.abc import Callable

import pluggy

from haunt.plugin.indicator import Indicator
from haunt.plugin.source import Source

GROUP = "haunt"
"""The entry-point group a plugin package declares, and the name of pluggy's project."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec(historic=True)
def register_sources(register: Callable[[type[Source]], None]) -> None:
    """Call `register` with each source class of this plugin."""


@hookspec(historic=True)
def register_indicators(register: Callable[[type[Indicator]], None]) -> None:
    """Call `register` with each indicator class of this plugin."""
