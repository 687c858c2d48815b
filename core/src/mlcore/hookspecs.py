"""Every way to extend mlcore, on one page.

All hooks are called on cold paths: at start, or when a model is loaded. None is called during a request. A hook
returns plain objects, or import strings such as `"runtime_spacy.runtime:SpacyRuntime"`, which are imported at
first use, so that the module with the hooks stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mlcore_protocol import ModelMetadata, WireFormat

    from mlcore.access.identity import Authenticator
    from mlcore.codecs.interface import InputCodec, RequestCodec
    from mlcore.commands import Command
    from mlcore.engine import Engine
    from mlcore.handlers import CustomHandler, HandlerApp
    from mlcore.model import MLModel
    from mlcore.predict import Predict
    from mlcore.runtimes import RuntimeOffer
    from mlcore.settings import ModelSettings, Settings
    from mlcore.transport import Transport

PROJECT = "mlcore"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


# --- what a plugin contributes -------------------------------------------------------------------------------------


@hookspec
def mlcore_runtimes() -> dict[str, RuntimeOffer | type[MLModel] | str]:
    """Offer runtimes under the names that `implementation` uses.

    Returns:
        Name to an `MLModel` class, an import string, or a `RuntimeOffer`, which also says which files the runtime
        can serve without any settings.

    Called:
        Once per process, before the first model is loaded. Cold.
    """
    raise NotImplementedError


@hookspec
def mlcore_codecs() -> dict[str, Iterable[type[InputCodec] | type[RequestCodec] | str]]:
    """Offer codecs under the content types that requests use.

    Returns:
        Content type to its input codec, its request codec, or both, as classes or import strings.

    Called:
        Once per process, before the first model is loaded. Cold.
    """
    raise NotImplementedError


@hookspec
def mlcore_wire_formats() -> dict[str, Callable[[], WireFormat] | str]:
    """Offer wire formats under the media types that transports name.

    Returns:
        Media type to a `WireFormat` class or an import string; each model host makes one of it.

    Called:
        Once per process, before the first model is loaded. Cold.
    """
    raise NotImplementedError


@hookspec
def mlcore_transports() -> dict[str, type[Transport] | str]:
    """Offer transports under the names that the setting `transports` uses.

    Returns:
        Name to a `Transport` class or an import string.

    Called:
        Once, in the front process, at start. Cold.
    """
    raise NotImplementedError


@hookspec
def mlcore_engines() -> dict[str, type[Engine] | str]:
    """Offer engines, the places where models live, under the names that the setting `engine` uses.

    Returns:
        Name to an `Engine` class or an import string.

    Called:
        Once, in the front process, at start. Cold.
    """
    raise NotImplementedError


@hookspec
def mlcore_authenticators(settings: Settings) -> Iterable[Authenticator] | None:
    """Offer ways to know clients, besides the keys of the setting `auth`.

    Args:
        settings: The server's settings.

    Returns:
        Objects of `mlcore.access.identity.Authenticator`; they are asked after the server's own, in this order. `None`
        for none.

    Called:
        Once, in the front process, at start, if there is the setting `auth`. Cold; their `identify` is hot.
    """


@hookspec
def mlcore_commands() -> Iterable[Command]:
    """Offer sub-commands of the `mlcore` program.

    Called:
        Once, when the program starts. Cold.
    """
    raise NotImplementedError


# --- what happens when a model is loaded ---------------------------------------------------------------------------


@hookspec(firstresult=True)
def mlcore_load(settings: ModelSettings) -> MLModel | None:
    """Make the runtime for settings that no name covers, such as a bridge to another server.

    Args:
        settings: The model's settings. Its `implementation` is not a registered name and not importable.

    Returns:
        A model that is not loaded yet, or `None` to let others try.

    Raises:
        ModelLoadError: The settings are meant for this plugin, but there can be no such model; the message says why.

    Called:
        When such a model is loaded, in the process where it will live. Cold.
    """


@hookspec
def mlcore_predict(
    model: MLModel, settings: ModelSettings, server_settings: Settings
) -> Callable[[Predict], Predict] | None:
    """Wrap the predict of one model, to cache, record, guard or change what goes in and out.

    Args:
        model: The model, already loaded.
        settings: Its settings.
        server_settings: The settings of the server.

    Returns:
        A function that takes the predict so far, `async (InferenceRequest) -> InferenceResponse`, and returns the new
        one; or `None` to leave this model alone. The wrapper of the plugin that was loaded first is the outermost.
        A model's own `predict_stream` is not wrapped; the default one, which answers with `predict`, is.

    Called:
        Once each time a model is loaded, in the process where it lives. Cold; what it returns is hot.
    """


@hookspec(firstresult=True)
def mlcore_handlers(model: MLModel, handlers: list[CustomHandler]) -> HandlerApp | None:
    """Make what answers the HTTP requests to the custom handlers of one model.

    Args:
        model: The model, not loaded yet.
        handlers: Its custom handlers: methods, paths, and how each method is called.

    Returns:
        Which requests there are, as plain data, and what answers one of them; or `None` to let others try.

    Raises:
        ModelLoadError: A handler is wrong; the message names it.

    Called:
        Once each time a model with custom handlers is loaded, in the process where it lives, in a thread. Cold; what
        it returns is hot.
    """


# --- what a plugin is told -----------------------------------------------------------------------------------------


@hookspec
def mlcore_startup(settings: Settings) -> None:
    """Learn that the server starts: its ports are taken, but nothing answers yet and no model is loaded.

    Args:
        settings: The server's settings.

    Called:
        Once, in the front process, in a thread of its own: a hook that hangs keeps no signal from stopping the server.
        Cold.
    """


@hookspec
def mlcore_shutdown(settings: Settings) -> None:
    """Learn that the server has stopped: no request is under way, every model is unloaded.

    Args:
        settings: The server's settings.

    Called:
        Once, in the front process, in a thread of its own, which is not waited for longer than 5 seconds. Cold.
    """


@hookspec
def mlcore_model_loaded(settings: ModelSettings, metadata: ModelMetadata) -> None:
    """Learn that a model is ready for requests.

    Args:
        settings: The model's settings.
        metadata: What it says of itself.

    Called:
        Each time a model is published, in the front process. Cold.
    """


@hookspec
def mlcore_model_unloaded(settings: ModelSettings) -> None:
    """Learn that a model takes no more requests.

    Args:
        settings: The model's settings.

    Called:
        Each time a model has gone, in the front process. Cold.
    """
