"""Finds the plugins, and asks them: the one place that knows pluggy.

Its traps are handled here. Its own entry-point loader stops at the first plugin that fails, skips a second entry
point of one name without a word, leaves a plugin that fails validation half registered, and ignores a misspelt hook.
Here each plugin is loaded on its own, under the name `distribution:entry-point`, and one that is broken becomes a
record: shown by `mlcore plugins`, an error only for whoever needs what it would have offered.
"""

from __future__ import annotations

import difflib
import inspect
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pluggy
from packaging.utils import canonicalize_name

from mlcore import builtin, hookspecs
from mlcore.catalogue import Catalogue
from mlcore.codecs.registry import CodecRegistry
from mlcore.errors import PluginError
from mlcore.runtimes import RuntimeOffer
from mlcore.settings import PluginSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from importlib.metadata import EntryPoint

    from mlcore_protocol import ModelMetadata, WireFormat

    from mlcore.commands import Command
    from mlcore.engine import Engine
    from mlcore.model import MLModel
    from mlcore.predict import Predict
    from mlcore.settings import ModelSettings, Settings
    from mlcore.transport import Transport

ENTRY_POINT_GROUP = "mlcore"


@dataclass
class PluginRecord:
    """What is known of one plugin.

    Attributes:
        name: `distribution:entry-point`.
        distribution: The distribution that brings it.
        version: The distribution's version.
        state: `active`, `broken` or `denied`.
        error: Why it is broken.
        hooks: The hooks that it implements.
    """

    name: str
    distribution: str
    version: str
    state: str = "active"
    error: str = ""
    hooks: list[str] = field(default_factory=list)


class Plugins:
    """The plugins of one server. Each hook has one typed method here; nobody else calls pluggy.

    Args:
        settings: Which plugins may load.
        extra: Plugins given in Python, besides the installed ones.
    """

    def __init__(self, settings: PluginSettings | None = None, extra: Iterable[object] = ()) -> None:
        self.records: list[PluginRecord] = []
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._records: dict[str, PluginRecord] = {}
        self._catalogues: dict[str, Catalogue[Any]] = {}
        self._codecs: CodecRegistry | None = None
        self._discover(settings or PluginSettings())
        for index, plugin in enumerate(extra):
            name = getattr(plugin, "__name__", type(plugin).__name__)
            self._register(PluginRecord(f"python:{name}-{index}", "python", ""), partial(_itself, plugin))

    # --- finding them ---

    def _discover(self, settings: PluginSettings) -> None:
        core = PluginRecord("mlcore-core:builtin", "mlcore-core", "")
        self._register(core, partial(_itself, builtin))
        for point in _installed():
            distribution, version = (point.dist.name, point.dist.version) if point.dist else ("unknown", "")
            record = PluginRecord(f"{distribution}:{point.name}", distribution, version)
            if _is_denied(record, settings):
                record.state = "denied"
                self.records.append(record)
            else:
                self._register(record, point.load)

    def _register(self, record: PluginRecord, load: Callable[[], Any]) -> None:
        self.records.append(record)
        self._records[record.name] = record
        try:
            plugin = load()
            plugin = plugin() if inspect.isclass(plugin) else plugin
        except (Exception, SystemExit) as error:  # a plugin may fail in any way at import
            self._break(record, f"fails to import: {type(error).__name__}: {error}")
            return
        try:
            self._manager.register(plugin, name=record.name)
        except pluggy.PluginValidationError as error:
            self._manager.unregister(name=record.name)  # pluggy leaves it half registered
            self._break(record, " ".join(str(error).split()))
            return
        callers = self._manager.get_hookcallers(plugin) or []
        known = sorted(name for name in vars(self._manager.hook) if self._manager.hook.__dict__[name].has_spec())
        for caller in callers:
            if not caller.has_spec():
                near = difflib.get_close_matches(caller.name, known, n=1)
                self._manager.unregister(name=record.name)
                self._break(
                    record,
                    f"has a hook that does not exist, {caller.name}" + (f"; did you mean {near[0]}?" if near else ""),
                )
                return
        record.hooks = sorted(caller.name for caller in callers)
        if not callers:
            self._break(record, "has no hook at all; decorate them with mlcore.hookimpl")

    def _break(self, record: PluginRecord, error: str) -> None:
        record.state = "broken"
        record.error = error

    @property
    def broken(self) -> list[PluginRecord]:
        """The plugins that cannot be used."""
        return [record for record in self.records if record.state == "broken"]

    # --- asking them ---

    @property
    def runtimes(self) -> Catalogue[RuntimeOffer]:
        """The runtimes that are offered, by name."""
        return self._catalogue("runtime", "mlcore_runtimes", _as_runtime_offer)

    @property
    def transports(self) -> Catalogue[type[Transport] | str]:
        """The transports that are offered, by name."""
        return self._catalogue("transport", "mlcore_transports")

    @property
    def engines(self) -> Catalogue[type[Engine] | str]:
        """The engines that are offered, by name."""
        return self._catalogue("engine", "mlcore_engines")

    @property
    def wire_formats(self) -> Catalogue[Callable[[], WireFormat] | str]:
        """The wire formats that are offered, by media type."""
        return self._catalogue("wire format", "mlcore_wire_formats")

    @property
    def codecs(self) -> CodecRegistry:
        """The codecs that are offered, by content type."""
        if self._codecs is None:
            self._codecs = CodecRegistry()
            for record, offers in self._each("mlcore_codecs"):
                for content_type, codecs in offers.items():
                    self._codecs.add(content_type, codecs, record.distribution)
        return self._codecs

    def commands(self) -> list[Command]:
        """Return the sub-commands that are offered."""
        return [command for _, commands in self._each("mlcore_commands") for command in commands]

    def load(self, settings: ModelSettings) -> MLModel | None:
        """Ask for a ready-made runtime for settings that no name covers.

        Raises:
            PluginError: A plugin failed while it was asked.
        """
        found = self._each("mlcore_load", settings=settings, or_raise=True)
        return next((model for _, model in found if model is not None), None)

    def predict_wrappers(self, model: MLModel, settings: ModelSettings) -> list[Callable[[Predict], Predict]]:
        """Return the wrappers of one model's predict, the innermost first.

        Raises:
            PluginError: A plugin failed. The model must not be served without a wrapper that may guard it.
        """
        found = self._each("mlcore_predict", model=model, settings=settings, or_raise=True)
        return [wrapper for _, wrapper in found if wrapper is not None][::-1]

    def startup(self, settings: Settings) -> None:
        """Tell every plugin that the server starts."""
        list(self._each("mlcore_startup", settings=settings))

    def shutdown(self, settings: Settings) -> None:
        """Tell every plugin that the server has stopped."""
        list(self._each("mlcore_shutdown", settings=settings))

    def model_loaded(self, settings: ModelSettings, metadata: ModelMetadata) -> None:
        """Tell every plugin that a model is ready."""
        list(self._each("mlcore_model_loaded", settings=settings, metadata=metadata))

    def model_unloaded(self, settings: ModelSettings) -> None:
        """Tell every plugin that a model has gone."""
        list(self._each("mlcore_model_unloaded", settings=settings))

    def _catalogue(self, kind: str, hook: str, convert: Callable[[Any], Any] = lambda offer: offer) -> Catalogue[Any]:
        if kind not in self._catalogues:
            catalogue: Catalogue[Any] = Catalogue(kind, lambda: self.broken)
            for record, offers in self._each(hook):
                for name, offer in offers.items():
                    catalogue.add(name, convert(offer), record.distribution)
            self._catalogues[kind] = catalogue
        return self._catalogues[kind]

    def _each(self, hook: str, or_raise: bool = False, **arguments: Any) -> Iterator[tuple[PluginRecord, Any]]:
        """Call a hook plugin by plugin, in order of registration; one that raises becomes a broken record."""
        for implementation in self._manager.hook.__dict__[hook].get_hookimpls():
            record = self._records[implementation.plugin_name]
            try:
                result = implementation.function(*(arguments[name] for name in implementation.argnames))
                yield record, result
            except Exception as error:  # whatever a plugin's hook may raise
                text = f"its hook {hook} fails: {type(error).__name__}: {error}"
                if or_raise:
                    raise PluginError(record.name, text) from error
                self._break(record, text)


def _itself(plugin: object) -> object:
    return plugin


def _installed() -> list[EntryPoint]:
    """Return the entry points, each once: an editable install may show its distribution twice."""
    unique = {
        (point.dist.name if point.dist else "", point.name, point.value): point
        for point in entry_points(group=ENTRY_POINT_GROUP)
    }
    return [unique[key] for key in sorted(unique)]


def _is_denied(record: PluginRecord, settings: PluginSettings) -> bool:
    distribution = canonicalize_name(record.distribution)
    denied = {name if ":" in name else canonicalize_name(name) for name in settings.deny}
    if distribution in denied or record.name in denied:
        return True
    return settings.allow is not None and distribution not in {canonicalize_name(name) for name in settings.allow}


def _as_runtime_offer(offer: Any) -> RuntimeOffer:
    return offer if isinstance(offer, RuntimeOffer) else RuntimeOffer(offer)
