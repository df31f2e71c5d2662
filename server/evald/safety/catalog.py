"""Benchmarks of safety by name."""

from __future__ import annotations

from collections.abc import Mapping

from evald.model import COMPLETIONS
from evald.safety.aegis import Aegis
from evald.safety.guard import Guard
from evald.safety.wildguard import WildGuard

GUARDS: Mapping[str, tuple[Guard, str | None]] = {
    "aegis_v2": (Aegis(), None),
    "aegis_v2_completions": (Aegis(), COMPLETIONS),
    "wildguard": (WildGuard(), None),
    "wildguard_completions": (WildGuard(), COMPLETIONS),
}
"""Each with the form in which the model is asked, where the name says it."""
