"""What the core itself offers, through the same hooks as every plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mlcore.commands import Command
    from mlcore.predict import Predict
    from mlcore.settings import ModelSettings, Settings


@hookimpl
def mlcore_codecs() -> dict[str, list[str]]:
    """Offer the codecs of the core."""
    return {
        "np": ["mlcore.codecs.numpy_codec:NumpyCodec", "mlcore.codecs.numpy_codec:NumpyRequestCodec"],
        "str": ["mlcore.codecs.string_codec:StringCodec", "mlcore.codecs.string_codec:StringRequestCodec"],
        "base64": ["mlcore.codecs.base64_codec:Base64Codec"],
        "datetime": ["mlcore.codecs.datetime_codec:DatetimeCodec"],
    }


@hookimpl
def mlcore_wire_formats() -> dict[str, str]:
    """Offer the V2 formats: JSON, JSON with binary tensors, and protobuf."""
    return {
        "application/json": "mlcore_protocol.v2_format:V2Format",
        "application/octet-stream": "mlcore_protocol.v2_format:V2Format",
        "application/x-protobuf": "mlcore_protocol.protobuf_format:ProtobufFormat",
    }


@hookimpl
def mlcore_engines() -> dict[str, str]:
    """Offer the engines: models in the server's own process, and in workers."""
    return {
        "inline": "mlcore.engines.inline:InlineEngine",
        "process": "mlcore.engines.process.engine:ProcessEngine",
    }


@hookimpl
def mlcore_predict(settings: ModelSettings, server_settings: Settings) -> Callable[[Predict], Predict] | None:
    """Add CloudEvents headers, if the server's settings ask for them."""
    if not server_settings.cloud_events:
        return None
    from mlcore.cloud_events import cloud_events

    return cloud_events(settings, server_settings)


@hookimpl
def mlcore_commands() -> Iterable[Command]:
    """Offer the sub-commands of the core."""
    from mlcore.cli.check import CHECK
    from mlcore.cli.init import INIT
    from mlcore.cli.key import KEY
    from mlcore.cli.pin import PIN
    from mlcore.cli.plugins import PLUGINS
    from mlcore.cli.schema import SCHEMA
    from mlcore.cli.serve import SERVE

    return [SERVE, CHECK, PIN, PLUGINS, SCHEMA, INIT, KEY]
