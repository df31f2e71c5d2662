"""Finds flows and metrics: built-ins by scanning their package, others by entry point."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from evald.flows.flow import Flow
from evald.metrics.metric import Metric
from evald.suggest import unknown

Plugin = TypeVar("Plugin")


class Registry(Generic[Plugin]):
    """Classes of one kind by the names that configs call them by.

    Built-ins are the subclasses of `base` that the modules of its package define. Others come from
    the entry-point group `evald.<package name>`, each naming a class. Raises ValueError when two
    classes claim one name.
    """

    def __init__(self, base: type[Plugin], names: str) -> None:
        package = base.__module__.rpartition(".")[0]
        self._classes: dict[str, type[Plugin]] = {}
        for found in [*_scan(package, base), *_plugins(package)]:
            claimed = getattr(found, names)
            for name in [claimed] if isinstance(claimed, str) else claimed:
                if name in self._classes:
                    raise ValueError(
                        f"{found.__name__} and {self._classes[name].__name__} are "
                        f"both called {name!r}"
                    )
                self._classes[name] = found

    def __getitem__(self, name: str) -> type[Plugin]:
        return self._classes[name]

    def __contains__(self, name: str) -> bool:
        return name in self._classes

    def names(self) -> list[str]:
        return sorted(self._classes)

    def unknown(self, name: str) -> str:
        """What to tell somebody who asked for a name that is not there."""
        return unknown(name, self.names())


@cache
def flows() -> Registry[Flow]:
    """The installed flows by config type."""
    return Registry(Flow, "types")  # type: ignore[type-abstract]


@cache
def metrics() -> Registry[Metric]:
    """The installed metrics by type."""
    return Registry(Metric, "type")  # type: ignore[type-abstract]


def _scan(package: str, base: type[Plugin]) -> Iterable[type[Plugin]]:
    path = importlib.import_module(package).__path__
    for module_info in pkgutil.iter_modules(path):
        module = importlib.import_module(f"{package}.{module_info.name}")
        for value in vars(module).values():
            if (
                inspect.isclass(value)
                and issubclass(value, base)
                and value.__module__ == module.__name__
                and not inspect.isabstract(value)
            ):
                yield value


def _plugins(package: str) -> Iterable[type]:
    for entry in entry_points(group=package):
        yield entry.load()
