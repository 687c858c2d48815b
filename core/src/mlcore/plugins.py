"""Finds the plugins, and asks them: the one place that knows pluggy.

Its traps are handled here. Its own entry-point loader stops at the first plugin that fails, skips a second entry
point of one name without a word, and ignores a misspelt hook. Here each plugin is loaded on its own, under the name
`distribution:entry-point`, and one that is broken becomes a record: shown by `mlcore plugins`, an error only for
whoever needs what it would have offered.
"""

from __future__ import annotations

import difflib
import inspect
from typing import TYPE_CHECKING, Any

import pluggy

from mlcore import hookspecs, offers
from mlcore.catalogue import Catalogue
from mlcore.codecs.registry import CodecRegistry
from mlcore.discovery import PluginRecord as PluginRecord
from mlcore.discovery import discovered
from mlcore.errors import ModelLoadError, PluginError
from mlcore.logs import get_logger
from mlcore.settings import PluginSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mlcore_protocol import ModelMetadata, WireFormat

    from mlcore.access.identity import Authenticator
    from mlcore.commands import Command
    from mlcore.engine import Engine
    from mlcore.handlers import CustomHandler, HandlerApp
    from mlcore.model import MLModel
    from mlcore.predict import Predict
    from mlcore.runtimes import RuntimeOffer
    from mlcore.settings import ModelSettings, Settings
    from mlcore.transport import Transport

log = get_logger("mlcore.plugins")


class Plugins:
    """The plugins of one server. Each hook has one typed method here; nobody else calls pluggy.

    Args:
        settings: Which plugins may load.
        extra: Plugins given in Python, besides the installed ones.

    Attributes:
        records: What became of each of them.
        asked: The name of the one whose hook was called last.

    Raises:
        PluginError: A plugin that is given in Python cannot be used.
    """

    def __init__(self, settings: PluginSettings | None = None, extra: Iterable[object] = ()) -> None:
        self.records: list[PluginRecord] = []
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self.asked = ""
        self._hooks = sorted(vars(self._manager.hook))
        self._records: dict[str, PluginRecord] = {}
        self._catalogues: dict[str, Catalogue[Any]] = {}
        self._codecs: CodecRegistry | None = None
        for record, load in discovered(settings or PluginSettings()):
            self.records.append(record)
            if load is not None:
                self._register(record, load)
        for index, plugin in enumerate(extra):
            kind = getattr(plugin, "__name__", type(plugin).__name__)
            record = PluginRecord(f"python:{kind}-{index}", "python", "")
            self.records.append(record)
            self._register(record, lambda plugin=plugin: plugin)  # type: ignore[misc]  # its type is that of `plugin`
            if record.state == "broken":
                raise PluginError(record.name, record.error)

    def _register(self, record: PluginRecord, load: Callable[[], Any]) -> None:
        try:
            plugin = load()
            plugin = plugin() if inspect.isclass(plugin) else plugin
        except (Exception, SystemExit) as error:  # a plugin may fail in any way at import
            record.break_down(f"fails to import: {type(error).__name__}: {error}")
            return
        if record.name in self._records or any(plugin is known for _, known in self._manager.list_name_plugin()):
            record.break_down("is registered already, under this or another name; remove one of the entry points")
            return
        try:
            self._manager.register(plugin, name=record.name)
        except Exception as error:  # also what a plugin's own attributes may raise when they are looked at
            record.break_down(" ".join(str(error).split()))
            return
        callers = self._manager.get_hookcallers(plugin) or []
        problem = self._problem_of(plugin, callers)
        if problem:
            self._manager.unregister(name=record.name)
            record.break_down(problem)
            return
        record.hooks = sorted(caller.name for caller in callers)
        self._records[record.name] = record

    def _problem_of(self, plugin: object, callers: list[pluggy.HookCaller]) -> str:
        if not callers:
            return "has no hook at all; decorate them with mlcore.hookimpl"
        for caller in callers:
            if not caller.has_spec():
                near = difflib.get_close_matches(caller.name, self._hooks, n=1)
                return f"has a hook that does not exist, {caller.name}" + (f"; did you mean {near[0]}?" if near else "")
            for implementation in caller.get_hookimpls():
                if implementation.plugin is plugin:
                    if implementation.wrapper or implementation.hookwrapper:
                        return f"its hook {caller.name} is a wrapper of hooks, which mlcore does not call"
                    if inspect.iscoroutinefunction(implementation.function):
                        return f"its hook {caller.name} is async; hooks are plain functions"
        return ""

    @property
    def broken(self) -> list[PluginRecord]:
        """The plugins that cannot be used."""
        return [record for record in self.records if record.state == "broken"]

    # --- what they contribute ---

    @property
    def runtimes(self) -> Catalogue[RuntimeOffer]:
        """The runtimes that are offered, by name."""
        return self._catalogue("runtime", "mlcore_runtimes", offers.runtimes)

    @property
    def transports(self) -> Catalogue[type[Transport] | str]:
        """The transports that are offered, by name."""
        return self._catalogue("transport", "mlcore_transports", offers.named)

    @property
    def engines(self) -> Catalogue[type[Engine] | str]:
        """The engines that are offered, by name."""
        return self._catalogue("engine", "mlcore_engines", offers.named)

    @property
    def wire_formats(self) -> Catalogue[Callable[[], WireFormat] | str]:
        """The wire formats that are offered, by media type."""
        return self._catalogue("wire format", "mlcore_wire_formats", offers.named)

    @property
    def commands(self) -> Catalogue[Command]:
        """The sub-commands that are offered, by name and alias."""
        return self._catalogue("command", "mlcore_commands", offers.commands)

    @property
    def codecs(self) -> CodecRegistry:
        """The codecs that are offered, by content type."""
        if self._codecs is None:
            self._codecs = CodecRegistry()
            for record, offered in self._each("mlcore_codecs", offers.codecs):
                for content_type, codecs in offered.items():
                    self._codecs.add(content_type, codecs, record.distribution)
        return self._codecs

    # --- what happens when a model is loaded ---

    def authenticators(self, settings: Settings) -> list[Authenticator]:
        """Ask for ways to know clients; nobody is asked if the settings let everybody in.

        Raises:
            PluginError: A plugin failed. The server must not run without somebody who guards it.
        """
        if settings.auth is None:
            return []
        found = self._each("mlcore_authenticators", offers.authenticators, must_work=True, settings=settings)
        return [authenticator for _, offered in found for authenticator in offered]

    def load(self, settings: ModelSettings) -> MLModel | None:
        """Ask for a ready-made runtime for settings that no name covers.

        Raises:
            ModelLoadError: A plugin knows what the settings are for, and why there is no such model.
            PluginError: A plugin failed while it was asked.
        """
        found = self._each("mlcore_load", offers.model, must_work=True, settings=settings)
        return next((model for _, model in found if model is not None), None)

    def predict_wrappers(
        self, model: MLModel, settings: ModelSettings, server_settings: Settings
    ) -> list[Callable[[Predict], Predict]]:
        """Return the wrappers of one model's predict, the innermost first.

        Raises:
            PluginError: A plugin failed. The model must not be served without a wrapper that may guard it.
        """
        arguments = {"model": model, "settings": settings, "server_settings": server_settings}
        found = self._each("mlcore_predict", offers.wrapper, must_work=True, **arguments)
        return [_named(record, wrapper) for record, wrapper in found if wrapper is not None][::-1]

    def handlers(self, model: MLModel, handlers: list[CustomHandler]) -> HandlerApp | None:
        """Ask for what answers the HTTP requests to a model's custom handlers.

        Raises:
            PluginError: A plugin failed while it was asked.
            ModelLoadError: A handler is wrong.
        """
        found = self._each("mlcore_handlers", offers.handlers, must_work=True, model=model, handlers=handlers)
        return next((app for _, app in found if app is not None), None)

    # --- what they are told ---

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

    def _catalogue(self, kind: str, hook: str, read: Callable[[Any], dict[str, Any]]) -> Catalogue[Any]:
        if kind not in self._catalogues:
            catalogue: Catalogue[Any] = Catalogue(kind, lambda: self.broken)
            for record, offered in self._each(hook, read):
                for name, offer in offered.items():
                    catalogue.add(name, offer, record.distribution)
            self._catalogues[kind] = catalogue
        return self._catalogues[kind]

    def _each(
        self,
        hook: str,
        read: Callable[[Any], Any] = lambda result: result,
        must_work: bool = False,
        **arguments: Any,
    ) -> Iterator[tuple[PluginRecord, Any]]:
        """Call a hook plugin by plugin, in order of registration; one that fails becomes a broken record.

        Args:
            hook: Its name.
            read: Checks what one plugin returns, and brings it into shape.
            must_work: Whether a plugin that fails is an error.
            arguments: What the hook is called with.
        """
        implementations = self._manager.hook.__dict__[hook].get_hookimpls()
        for implementation in sorted(implementations, key=lambda known: (not known.tryfirst, known.trylast)):
            record = self._records[implementation.plugin_name]
            self.asked = record.name
            try:
                result = read(implementation.function(*(arguments[name] for name in implementation.argnames)))
            except ModelLoadError:  # the model's own fault
                raise
            except (Exception, SystemExit) as error:  # whatever a plugin's hook may raise
                text = f"its hook {hook} fails: {type(error).__name__}: {error}"
                if must_work and isinstance(error, ModelLoadError):
                    raise  # the plugin's answer: this model cannot be made
                if must_work:
                    raise PluginError(record.name, text) from error
                record.break_down(text)
                log.error("plugin failed", plugin=record.name, reason=text, exc_info=error)
            else:
                yield record, result


def _named(record: PluginRecord, wrapper: Callable[[Predict], Predict]) -> Callable[[Predict], Predict]:
    """Return a wrapper whose failure names its plugin."""

    def wrap(predict: Predict) -> Predict:
        try:
            wrapped = wrapper(predict)
        except (Exception, SystemExit) as error:  # a plugin's wrapper may raise anything
            text = f"its wrapper of predict fails: {type(error).__name__}: {error}"
            raise PluginError(record.name, text) from error
        if not callable(wrapped):
            raise PluginError(
                record.name, f"its wrapper of predict returned a {type(wrapped).__name__}, not a function"
            )
        return wrapped

    return wrap
