"""Finds flows and metrics: built-ins by scanning their package, others by entry point."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Collection, Iterable
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
    the entry-point group `evald.<package name>`, each naming a class. Raises ValueError, naming the
    culprit, when a plugin cannot be loaded, or two classes claim one name. `more` gives names of a
    class that take a moment to find: it is called only for names that no class claims.
    """

    def __init__(
        self,
        base: type[Plugin],
        names: str,
        more: Callable[[type[Plugin]], Collection[str]] = lambda _: (),
    ) -> None:
        self._more = more
        package = base.__module__.rpartition(".")[0]
        self._classes: dict[str, type[Plugin]] = {}
        for found in [*_scan(package, base), *_plugins(package, base)]:
            claimed = getattr(found, names, None)
            if not claimed:
                raise ValueError(f"{_place(found)} does not say its {names}")
            for name in [claimed] if isinstance(claimed, str) else claimed:
                taken = self._classes.setdefault(name, found)
                if taken is not found:
                    raise ValueError(
                        f"{_place(found)} and {_place(taken)} are both called {name!r}"
                    )

    def __getitem__(self, name: str) -> type[Plugin]:
        """Raises LookupError, saying what is nearest."""
        if name in self._classes:
            return self._classes[name]
        for found in self.classes():
            if name in self._more(found):
                return found
        more = (known for found in self.classes() for known in self._more(found))
        raise LookupError(unknown(name, self.names(), more))

    def __contains__(self, name: str) -> bool:
        return name in self._classes or any(name in self._more(found) for found in self.classes())

    def names(self) -> list[str]:
        return sorted(self._classes)

    def classes(self) -> list[type[Plugin]]:
        """All of them, in the order they were found."""
        return list(dict.fromkeys(self._classes.values()))


@cache
def flows() -> Registry[Flow]:
    """The installed flows by config type."""
    return Registry(Flow, "types", lambda flow: flow.more_types())  # type: ignore[type-abstract]


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


def _plugins(package: str, base: type[Plugin]) -> Iterable[type[Plugin]]:
    for entry in entry_points(group=package):
        owner = f" of {entry.dist.name} {entry.dist.version}" if entry.dist else ""
        plugin = f"plugin {entry.name!r} ({entry.value}){owner} in {package}"
        try:
            found = entry.load()
        except Exception as e:
            raise ValueError(f"{plugin} cannot be loaded: {type(e).__name__}: {e}") from e
        if not (inspect.isclass(found) and issubclass(found, base)) or inspect.isabstract(found):
            raise ValueError(f"{plugin} is no {base.__name__} class that has all of its methods")
        yield found


def _place(found: type) -> str:
    return f"{found.__module__}.{found.__qualname__}"
