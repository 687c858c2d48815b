"""What an engine is: where models live. Bytes go in and bytes come out, so it may be a thread, a process, a machine."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec
from mlcore_protocol import Buffer, ModelMetadata

from mlcore.errors import SettingsError, UnknownNameError
from mlcore.imports import made_of
from mlcore.settings import ModelSettings
from mlcore.telemetry.steps import Steps

if TYPE_CHECKING:
    from mlcore.catalogue import Offer
    from mlcore.loading import Plan
    from mlcore.plugins import PluginRecord, Plugins
    from mlcore.settings import Settings
    from mlcore.telemetry.tallies import Tallies


# The hooks that are asked where models live.
_WHERE_MODELS_LIVE = {
    "mlcore_runtimes",
    "mlcore_codecs",
    "mlcore_wire_formats",
    "mlcore_load",
    "mlcore_predict",
    "mlcore_handlers",
}


class Call(msgspec.Struct):
    """One request on its way to a model: the untouched body, and the few facts that the front knows.

    Attributes:
        model: The model's name.
        version: Its version, or `None` for the default one.
        media_type: Names the wire format of the body.
        body: The body; nobody writes to it any more.
        head_length: Bytes of the JSON head in front of binary tensors, where the client said so.
        headers: The client's headers, names in lower case.
        request_id: The id under which logs know the request, where the transport knows one.
        arrived: When it arrived, by the machine's monotonic clock.
        deadline: When its answer is of no use any more, by the same clock, where the front knows that.
        trace: What carries its trace on, where it is traced; `mlcore.telemetry.tracing.carried` reads it.
        sent: When the front handed it to the engine, by the same clock.
        on_begin: Called with the request's id when the model begins to work on it, in whatever thread that is.
    """

    model: str
    version: str | None
    media_type: str
    body: Buffer
    head_length: int | None = None
    headers: list[tuple[bytes, bytes]] = []
    request_id: str | None = None
    arrived: float = msgspec.field(default_factory=time.monotonic)
    deadline: float | None = None
    trace: dict[str, str] | None = None
    sent: float = 0.0
    on_begin: Callable[[str], None] | None = None


class Answer(msgspec.Struct):
    """What a model answered, as bytes.

    Attributes:
        media_type: What the bytes are.
        buffers: The bytes, in order.
        head_length: Bytes of the JSON head, where binary tensors follow it.
        headers: Headers that the model adds.
        steps: When its steps were done, where the engine takes note of that.
    """

    media_type: str
    buffers: list[Buffer]
    head_length: int | None = None
    headers: dict[str, str] | None = None
    steps: Steps | None = None


class HandlerRoute(msgspec.Struct, frozen=True):
    """One custom handler of a model, as whoever leads requests to it knows it.

    Attributes:
        name: The name of the method.
        rest_path: Its path, such as `/items/{item_id}`.
        rest_method: Its HTTP method.
        operation: What OpenAPI says of it.
    """

    name: str
    rest_path: str
    rest_method: str
    operation: dict[str, Any] = {}


class Handlers(msgspec.Struct, frozen=True):
    """The custom handlers of a model, as plain data: they go through processes.

    Attributes:
        routes: Each of them.
        schemas: The schemas that their OpenAPI parts refer to, by name.
    """

    routes: list[HandlerRoute] = []
    schemas: dict[str, Any] = {}


def one() -> int:
    """Return the number of replicas of a model in the server's own process."""
    return 1


def no_problem() -> str:
    """Say that nothing is wrong: a model in the server's own process is there as long as the server is."""
    return ""


class LoadedModel(msgspec.Struct, frozen=True):
    """A model that is ready for requests, wherever it lives.

    Attributes:
        settings: Its settings.
        metadata: What it says of itself, asked once.
        infer: Answers one call. It may be cancelled, and ends then when the model's work on the call has ended: a
            plain `predict` cannot be stopped.
        stream: Answers one call with several answers; whoever stops early closes it.
        unload: Lets go of it; nothing is under way any more.
        concurrency: Calls that one replica makes use of at once; `None` for any number.
        replicas: Says how many replicas answer now.
        problem: Says why it does not answer now, in one line; empty while it does.
        handlers: Its custom handlers; `stream` answers their calls.
        remarks: What of its settings has no effect, and why, as far as only its class shows it.
    """

    settings: ModelSettings
    metadata: ModelMetadata
    infer: Callable[[Call], Awaitable[Answer]]
    stream: Callable[[Call], AsyncGenerator[Answer, None]]
    unload: Callable[[], Awaitable[None]]
    concurrency: int | None = None
    replicas: Callable[[], int] = one
    problem: Callable[[], str] = no_problem
    handlers: Handlers = Handlers()
    remarks: list[str] = []


class Engine(ABC):
    """A place for models.

    Args:
        settings: The server's settings.
        plugins: The server's plugins.
        tallies: What the server measures.

    Attributes:
        has_workers: Whether it keeps models elsewhere than in the server's own process.
    """

    has_workers = True

    def __init__(self, settings: Settings, plugins: Plugins, tallies: Tallies) -> None:
        self.settings = settings
        self.plugins = plugins
        self.tallies = tallies

    async def start(self) -> None:
        """Make the place ready for models."""

    @abstractmethod
    async def load(self, plan: Plan) -> LoadedModel:
        """Load a model. One that is loaded already stays as it is; the caller swaps and unloads.

        Raises:
            MLCoreError: The model cannot be loaded; the message says why in one line.
        """

    async def stop(self, grace_s: float = 5.0) -> None:
        """Let go of the place within so many seconds; every model is unloaded, or left behind."""


def make_engine(settings: Settings, plugins: Plugins, tallies: Tallies) -> Engine:
    """Make the engine that the settings name.

    Raises:
        SettingsError: It is not installed.
        PluginError: Its plugin is broken.
    """
    offer = find_engine(settings, plugins)
    return made_of(offer, "engine", settings, plugins, tallies, base=Engine)  # type: ignore[no-any-return]  # by `base`


def find_engine(settings: Settings, plugins: Plugins) -> Offer[type[Engine] | str]:
    """Return what is offered as the engine that the settings name.

    Raises:
        SettingsError: It is not installed.
        AmbiguousNameError: Two plugins offer it.
    """
    name = settings.engine or ("process" if settings.parallel_workers else "inline")
    if not is_chosen(settings) and only_here(plugins):
        name = "inline"
    try:
        return plugins.engines.get(name)
    except UnknownNameError as error:
        raise SettingsError(f"engine: {error}") from error


def is_chosen(settings: Settings) -> bool:
    """Say whether somebody chose where models live, rather than leaving it to the default."""
    return settings.engine is not None or "parallel_workers" in settings.model_fields_set


def only_here(plugins: Plugins) -> list[PluginRecord]:
    """Return the plugins that models need, but that only this process has, for they were given in Python."""
    return [
        record
        for record in plugins.records
        if record.distribution == "python" and not _WHERE_MODELS_LIVE.isdisjoint(record.hooks)
    ]
