"""The settings of a server and of a model: frozen records, with every name documented here.

`settings_sources.py` reads them from files, environment and options. The descriptions are the reference page.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from mlcore_protocol import MetadataTensor, Parameters
from mlcore_protocol.datatypes import DATATYPES
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from mlcore.access.settings import AuthSettings
from mlcore.permission import PluginEntry
from mlcore.trust import Pickles, Trust

if TYPE_CHECKING:
    from typing import Self

# As many as a folder may have on most systems.
_LONGEST_NAME = 255

# The process engine needs what only Linux has: files in memory, and processes as descriptors.
_WORKERS = 1 if sys.platform == "linux" else 0

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Patience = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _path_segment(text: str) -> str:
    """Check a name that stands in paths and log lines, hence is one line without slashes."""
    if text and (not text.isprintable() or text != text.strip() or set(text) & set("/\\") or text in (".", "..")):
        raise ValueError("expected printable text, without slashes and without spaces at its ends")
    return text


def _http_address(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("expected an address that begins with http:// or https://")
    return text


def _plugin_entry(text: str) -> str:
    PluginEntry.read(text)
    return text


PluginText = Annotated[str, AfterValidator(_plugin_entry)]


def _sha256(text: str) -> str:
    if not re.fullmatch("sha256:[0-9a-f]{64}", text.lower()):
        raise ValueError("expected sha256: and 64 hexadecimal digits; 'mlcore pin FOLDER' writes them")
    return text.lower()


Segment = Annotated[str, Field(max_length=_LONGEST_NAME), AfterValidator(_path_segment)]


class CorsSettings(BaseModel):
    """Which web pages of other origins may call the server. Closed unless given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allow_origins: list[str] = Field(
        [], description="Origins that may call, such as `https://example.com`; `*` is all."
    )
    allow_origin_regex: str | None = Field(None, description="A pattern for origins, besides `allow_origins`.")
    allow_credentials: bool = Field(False, description="Whether cookies and credentials may be sent.")
    allow_methods: list[str] = Field(["GET"], description="Methods that may be used.")
    allow_headers: list[str] = Field([], description="Request headers that may be sent.")
    expose_headers: list[str] = Field([], description="Response headers that the page may read.")
    max_age: int = Field(600, ge=0, description="Seconds for which a browser may keep the answer.")


class PluginSettings(BaseModel):
    """Which installed plugins are used."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allow: list[PluginText] | None = Field(
        None,
        description="Distributions whose plugins may load, with versions if need be: `runtime-spacy>=0.1,<0.2`; all if "
        "absent.",
    )
    deny: list[PluginText] = Field(
        [],
        description="Distributions, `distribution:entry-point`, or versions, as `runtime-spacy<0.2`, whose plugins "
        "never load.",
    )


class Settings(BaseSettings):
    """The settings of one server, from `settings.json`, `MLCORE_...` variables and options."""

    model_config = SettingsConfigDict(
        env_prefix="MLCORE_", extra="forbid", frozen=True, env_file_encoding="utf-8", hide_input_in_errors=True
    )

    server_name: str = Field("mlcore", description="The name in the server's metadata.")
    server_version: str = Field("", description="The version in the server's metadata; mlcore's own if empty.")
    extensions: list[str] | None = Field(
        None, description="The protocol extensions in the server's metadata; those really served if absent."
    )
    host: str = Field("127.0.0.1", description="The address that every transport listens on.")
    http_port: Port = Field(8080, description="Port of the REST transport; 0 takes a free one.")
    grpc_port: Port = Field(8081, description="Port of the gRPC transport; 0 takes a free one.")
    metrics_port: Port = Field(8082, description="Port of the metrics transport, where one is installed.")
    reuse_port: bool = Field(
        False,
        description="Whether another server may take the same ports, so that a successor is up before this one stops.",
    )
    metrics_endpoint: str | None = Field(
        "/metrics", description="Path of the metrics, where a transport for them is installed; null switches them off."
    )
    metrics_names: Literal["mlcore", "mlserver"] = Field(
        "mlcore", description="`mlserver` shows what is measured under MLServer's names too, for dashboards that exist."
    )
    metrics_rest_server_prefix: str = Field(
        "rest_server",
        pattern="^[a-zA-Z_][a-zA-Z0-9_]*$",
        description="What MLServer's names of REST metrics begin with, where `metrics_names` is `mlserver`.",
    )
    server_timing: bool = Field(
        False, description="Whether REST answers say in `Server-Timing` how long their steps took, in milliseconds."
    )
    docs_page: bool = Field(True, description="Whether `/v2/docs` shows people what can be asked.")
    root_path: str = Field("", description="The path under which a proxy serves this server, for its own links.")
    transports: list[str] | None = Field(None, description="Transports to start; every installed one if absent.")
    model_repository_root: str = Field(
        ".", description="The folder that is searched for models; `mlcore serve FOLDER` overrides it."
    )
    model_repository_implementation: Annotated[Any, WithJsonSchema({"type": "string"})] = Field(
        None,
        description="Where models come from, if not from the folder: your own `my_repository.MyRepository`, "
        "[as this page says](model-repository.md).",
    )
    model_repository_implementation_args: dict[str, Any] = Field(
        {}, description="What the class that `model_repository_implementation` names takes, by name."
    )
    load_models_at_startup: bool = Field(True, description="Whether the models of the repository are loaded at start.")
    watch: bool = Field(
        False,
        description="Whether models are loaded again when their files change, new ones loaded, and those that are gone "
        "unloaded, without anybody asking for it.",
    )
    watch_settle: Patience = Field(
        2.0, description="Seconds without a further change after which `watch` takes the files of a model for complete."
    )
    repository_api: bool | None = Field(
        None,
        description="Whether clients may load and unload models; if absent, only where the host is a loopback address.",
    )
    pickle: Pickles = Field(
        "allow",
        description="Which models may be unpickled, which runs code that the file brings (joblib, pickle, cloudpickle, "
        "torch): `allow`; `pinned`, only those with `parameters.digest`, which holds in any case for files that came "
        "after the start and are loaded by a client; `deny`.",
    )
    artefact_folders: list[str] | None = Field(
        None,
        description="Folders, besides the served one, that `parameters.uri` may lead into; if absent, those that it "
        "names by an absolute path. `..` and links lead nowhere else.",
    )
    strict: bool = Field(False, description="Stop with an error at start if any model cannot be loaded.")
    parallel_workers: int = Field(
        _WORKERS, ge=0, description="Worker processes that hold the models; 0 runs them in the server's own process."
    )
    engine: str | None = Field(
        None, description="The engine that models live in; if absent, `inline` or `process`, by `parallel_workers`."
    )
    threads: int = Field(
        1, ge=1, le=256, description="Threads of each model whose `predict` is a plain method; one runs calls in turn."
    )
    worker_timeout: Patience = Field(
        30.0, description="Seconds without a sign of life after which a worker is taken for hung, and replaced."
    )
    parallel_workers_timeout: Seconds = Field(
        5.0, description="Seconds that workers get to end at the stop of the server, before they are killed."
    )
    environments_dir: str = Field(
        "", description="The folder that environment tarballs are unpacked in; one in the user's cache if empty."
    )
    max_queue_size: int = Field(
        1000, ge=0, description="Requests that may wait for each model; further ones are refused with 503."
    )
    request_timeout: Patience | None = Field(
        None, description="Seconds after which a request is given up with 504; never if absent."
    )
    load_timeout: Patience = Field(600.0, description="Seconds that the load of a model may take.")
    cloud_events: bool = Field(
        False,
        description="Whether answers carry CloudEvents headers (`Ce-Id`, `Ce-Source`, `Ce-Type` and more), as those of "
        "MLServer do, and requests reach models with them.",
    )
    cache_enabled: bool = Field(
        False, description="Whether models that set `cache_enabled` too keep their answers, to give them again."
    )
    cache_size: int = Field(100, ge=1, description="The most answers that each model keeps.")
    cache_bytes: int = Field(
        64 * 2**20, ge=1, description="The most bytes that the answers that each model keeps may have."
    )
    cache_ttl: Patience | None = Field(None, description="Seconds that an answer is kept for; for ever if absent.")
    max_body_bytes: int = Field(
        64 * 2**20, gt=0, description="The largest request body, also after decompression, in bytes."
    )
    max_url_bytes: int = Field(
        8 * 2**10, ge=256, le=60_000, description="The longest path of an HTTP request, with its query, in bytes."
    )
    max_header_bytes: int = Field(
        32 * 2**10,
        ge=1024,
        description="The largest head of an HTTP request, in bytes; also the most that the chunks of a body may say "
        "besides it.",
    )
    max_headers: int = Field(100, ge=1, description="The most header fields of an HTTP request.")
    max_chunks: int = Field(65_536, ge=1, description="The most chunks that the body of an HTTP request may come in.")
    header_timeout: Patience = Field(
        10.0, description="Seconds in which the head of an HTTP request has to come, the first one on a connection too."
    )
    body_timeout: Patience = Field(
        60.0,
        description="Seconds in which the body of an HTTP request has to come. One that takes longer goes on as long "
        "as it has come with at least 1 KiB a second from its beginning.",
    )
    idle_timeout: Patience = Field(
        75.0,
        description="Seconds without a request after which an HTTP connection is closed. Let load balancers close "
        "theirs earlier.",
    )
    write_timeout: Patience = Field(
        60.0, description="Seconds after which an HTTP client that takes nothing of its answer is cut off."
    )
    max_connections: int = Field(
        8192, ge=1, description="HTTP connections that a transport may have at once; further ones get a 503."
    )
    max_connections_per_peer: int = Field(
        1024,
        ge=1,
        description="HTTP connections that one address may have; behind a proxy all clients are one, and each "
        "request that is under way needs its own.",
    )
    grpc_max_message_length: int = Field(
        64 * 2**20,
        gt=0,
        lt=2**32,
        description="The largest message of a gRPC client, also after decompression, in bytes.",
    )
    grpc_max_metadata_bytes: int = Field(
        16 * 2**10, ge=1024, description="The most metadata of a gRPC call, in bytes as HTTP/2 counts them."
    )
    grpc_max_streams: int = Field(100, ge=1, description="gRPC calls that one connection may have at once.")
    grpc_max_connections: int = Field(2000, ge=1, description="gRPC connections that there may be at once.")
    grpc_max_connections_per_peer: int = Field(
        256, ge=1, description="gRPC connections that one address may have; behind a proxy all clients are one."
    )
    grpc_handshake_timeout: Patience = Field(
        10.0, description="Seconds in which a gRPC client that has connected has to begin."
    )
    grpc_write_timeout: Patience = Field(
        60.0, description="Seconds after which a gRPC client that takes nothing of its answer is given up."
    )
    grpc_keepalive: Patience = Field(
        60.0, description="Seconds of silence after which a gRPC client is asked whether it is still there."
    )
    grpc_bare_stream: bool = Field(
        False,
        description="Whether `ModelStreamInfer` answers bare `ModelInferResponse` messages, with an error as the "
        "call's status, as clients of MLServer expect.",
    )
    tls_certificate: str = Field(
        "",
        description="The server's certificate chain, a PEM file; REST, gRPC and metrics use TLS then. It is read again "
        "when it changes.",
    )
    tls_key: str = Field("", description="The key of `tls_certificate`, a PEM file, if it is not in there.")
    tls_client_ca: str = Field(
        "", description="The authorities whose certificates clients need, a PEM file; if empty, clients need none."
    )
    tls_client_verify: Literal["required", "optional"] = Field(
        "required", description="Whether clients need a certificate of `tls_client_ca`, or may come without one."
    )
    tls_handshake_timeout: Patience = Field(
        10.0, description="Seconds in which a client that has connected has to agree on TLS."
    )
    auth: AuthSettings | None = Field(
        None,
        repr=False,
        description="Who may do what; [as this page says](authentication.md). If absent, whoever reaches a port may.",
    )
    kafka_enabled: bool = Field(
        False, description="Whether requests are taken from Kafka too; the distribution `transport-kafka` does that."
    )
    kafka_servers: str = Field(
        "localhost:9092", min_length=1, description="Brokers of Kafka to begin with, `host:port`, separated by commas."
    )
    kafka_topic_input: str = Field(
        "mlserver-input", min_length=1, description="The topic that requests are taken from."
    )
    kafka_topic_output: str = Field(
        "mlserver-output", min_length=1, description="The topic that answers are written to."
    )
    kafka_topic_dead_letter: str = Field(
        "",
        description="The topic that requests without an answer are written to, with the reason; if empty, "
        "`kafka_topic_input` with `-dead-letter` at its end.",
    )
    kafka_group_id: str = Field(
        "mlcore", min_length=1, description="The consumer group; the servers of one group share the requests."
    )
    kafka_offset_reset: Literal["earliest", "latest"] = Field(
        "earliest", description="Where a group begins that the broker does not know: with what is there, or what comes."
    )
    kafka_concurrency: int = Field(
        64, ge=1, description="Requests of Kafka that are answered at once; 1 answers each partition in its order."
    )
    kafka_max_attempts: int = Field(
        5, ge=1, description="How often a model may fail on a request of Kafka with 503, as when its worker ends."
    )
    kafka_session_timeout: Annotated[float, Field(ge=1, allow_inf_nan=False)] = Field(
        10.0, description="Seconds without a sign of life after which the broker gives the requests to other servers."
    )
    kafka_rebalance_timeout: Seconds = Field(
        10.0, description="Seconds that requests under way may take to finish when others of the group come or go."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How brokers are spoken to, as Kafka names it."
    )
    kafka_tls_ca: str = Field(
        "", description="The authorities that brokers' certificates are of, a PEM file; those of the system if empty."
    )
    kafka_tls_certificate: str = Field("", description="The certificate that brokers want to see, a PEM file.")
    kafka_tls_key: str = Field("", description="The key of `kafka_tls_certificate`, a PEM file, if it is not in there.")
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "PLAIN", description="How the password is shown to brokers, with a `kafka_security_protocol` that has SASL."
    )
    kafka_sasl_username: str = Field("", description="The name that brokers know the server by.")
    kafka_sasl_password: str = Field(
        "", repr=False, description="Its password; better in `MLCORE_KAFKA_SASL_PASSWORD` than in a file."
    )
    gzip_enabled: bool = Field(True, description="Whether answers are compressed for clients that accept it.")
    gzip_min_bytes: int = Field(500, ge=0, description="Answers smaller than this are never compressed.")
    cors_settings: CorsSettings | None = Field(None, description="Which web pages of other origins may call.")
    drain_delay: Seconds = Field(
        0.0, description="Seconds between not ready and closed listeners at stop, for load balancers to notice."
    )
    grace_period: Seconds = Field(30.0, description="Seconds that requests under way may take to finish at stop.")
    debug: bool = Field(False, description="Log at level DEBUG, and every request.")
    access_log: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Fraction of the requests that get a log line: 1 is all. Those that end with an error of the "
        "server always do; if it is 0, ten of them a second at most.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="The lowest level that is logged."
    )
    use_structured_logging: bool = Field(False, description="Log JSON lines instead of text.")
    logging_settings: dict[str, Any] | str | None = Field(
        None,
        description="How Python's logging is set up after that: an object for `logging.config.dictConfig`, or the path "
        "of a file that holds one (`.json`) or is one for `fileConfig`. Workers do the same.",
    )
    otlp_endpoint: Annotated[str, AfterValidator(_http_address)] | None = Field(
        None,
        description="The address of an OpenTelemetry collector, such as `http://localhost:4318`, that traces, metrics "
        "and logs are pushed to. The standard `OTEL_...` variables win.",
    )
    tracing_server: str | None = Field(
        None, description="`host:port` of a collector that takes traces over gRPC, without TLS, as MLServer names it."
    )
    plugins: PluginSettings = Field(PluginSettings(), description="Which installed plugins are used.")

    _remarks: list[str] = PrivateAttr([])

    @field_validator("model_repository_implementation")
    @classmethod
    def _is_an_import_path_or_class(cls, implementation: Any) -> Any:
        if not isinstance(implementation, str | type | None):
            raise ValueError("expected an import path, such as my_repository.MyRepository")
        return implementation or None

    @property
    def remarks(self) -> list[str]:
        """What is to be said of where they come from, though nothing is wrong, each in one line."""
        return list(self._remarks)


def secrets_of(kind: type[BaseModel]) -> set[str]:
    """Return the names of the settings that are secret: no log, no error and no worker gets their values."""
    return {name for name, field in kind.model_fields.items() if not field.repr}


def _datatype(text: str) -> str:
    if text and text not in DATATYPES:
        raise ValueError(f"expected one of {', '.join(DATATYPES)}")
    return text


def _number(value: Any) -> Any:
    """Read a number in a variable as one, so that there 1 and 0 are what they are in JSON: no booleans."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _at_least_0(number: int) -> int:
    return max(0, number)


def _scalar(value: Any) -> Any:
    if not isinstance(value, str | int | float):
        raise ValueError("expected text, a number or a boolean")
    return value


Scalar = Annotated[Any, AfterValidator(_scalar), WithJsonSchema({"type": ["string", "integer", "number", "boolean"]})]


class TensorSettings(BaseModel):
    """An input or output that a model declares."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="The tensor's name.")
    datatype: Annotated[str, AfterValidator(_datatype)] = Field("", description="Its datatype, such as FP32 or BYTES.")
    shape: list[int] = Field([], description="Its shape, the batch dimension first; -1 is any size.")
    parameters: dict[str, Scalar] | None = Field(None, description="Free parameters; `content_type` chooses the codec.")

    def to_metadata(self) -> MetadataTensor:
        """Return the tensor as the protocol's metadata says it."""
        parameters = Parameters(self.parameters) if self.parameters else None
        return MetadataTensor(name=self.name, datatype=self.datatype, shape=list(self.shape), parameters=parameters)


class ModelParameters(BaseSettings):
    """Where a model's artefact is, and what its runtime should know."""

    model_config = SettingsConfigDict(env_prefix="MLCORE_MODEL_", extra="forbid", frozen=True)

    uri: str | None = Field(
        None, description="The artefact: a path from the model's folder, or what the runtime takes."
    )
    digest: Annotated[str, AfterValidator(_sha256)] | None = Field(
        None,
        description="`sha256:` and the SHA-256 of what `uri` names, of the model's folder without it; nothing else is "
        "loaded. `mlcore pin FOLDER` writes it, [as this page says](artefacts.md).",
    )
    version: Segment | None = Field(None, description="The model's version, any text without slashes.")
    content_type: str | None = Field(None, description="The codec for whole requests that name none.")
    format: str | None = Field(None, description="The artefact's format, for runtimes that read several.")
    inference_pool_gid: Segment | None = Field(
        None, description="The pool of workers that the model lives in, any name; the server's own if absent."
    )
    autogenerate_inference_pool_gid: bool = Field(
        False, description="Whether the model gets a pool for itself, if it names none."
    )
    environment_path: str | None = Field(
        None, description="A virtual or conda environment whose Python runs the model, a path from its folder."
    )
    environment_tarball: str | None = Field(
        None, description="The same as an archive that conda-pack made, a path from the model's folder."
    )
    extra: dict[str, Any] = Field({}, description="Settings of the runtime; its own page names them.")

    @field_validator("version")
    @classmethod
    def _is_none_if_empty(cls, version: str | None) -> str | None:
        return version or None


class ModelSettings(BaseSettings):
    """The settings of one model, from `model-settings.json` and `MLCORE_MODEL_...` variables, or from Python."""

    model_config = SettingsConfigDict(
        env_prefix="MLCORE_MODEL_", extra="forbid", frozen=True, arbitrary_types_allowed=True, protected_namespaces=()
    )

    name: Segment = Field("", description="The name that clients use; the folder's if empty.")
    implementation: Annotated[Any, WithJsonSchema({"type": "string"})] = Field(
        "",
        description="The runtime: a registered name (`sklearn`), `distribution#name`, or your own `module.Class`.",
    )
    platform: str = Field("", description="The platform in the model's metadata.")
    versions: list[str] = Field([], description="Versions of the training libraries, for the metadata.")
    inputs: list[TensorSettings] = Field([], description="The inputs that the model declares.")
    outputs: list[TensorSettings] = Field([], description="The outputs that the model declares.")
    check_inputs: bool = Field(
        False,
        description="Whether requests have to keep to `inputs`: names, datatypes and shapes. Inputs with the parameter "
        "`optional` may be missing. If false, `inputs` only describe, and the model says what it cannot take.",
    )
    parameters: ModelParameters = Field(
        default_factory=ModelParameters, description="Where the artefact is, and what the runtime should know."
    )
    threads: int | None = Field(
        None, ge=1, le=256, description="Threads for a plain `predict`; the server's setting if absent."
    )
    max_batch_size: int = Field(
        0, ge=0, description="Rows of several requests that may be predicted at once; 0 or 1 is off."
    )
    max_batch_time: Seconds = Field(
        0.0,
        description="Seconds that a request may wait for others to join it though a model that is at work could take "
        "it; one that is idle takes it at once, unless there are `preferred_batch_sizes`.",
    )
    preferred_batch_sizes: list[Annotated[int, Field(ge=1)]] = Field(
        [], description="Rows that the model works on best; a batch waits up to `max_batch_time` to get one of them."
    )
    pad_batch: Annotated[bool | float, BeforeValidator(_number)] = Field(
        False,
        description="Whether requests whose last, variable axis differs in size are padded to share a batch: true "
        "pads with 0, a number, 0 and 1 too, with itself.",
    )
    max_concurrency: int | None = Field(
        None, ge=1, description="Requests that an async `predict` works on at once; any number if absent."
    )
    max_queue_size: int | None = Field(
        None, ge=0, description="Requests that may wait for the model; the server's setting if absent."
    )
    request_timeout: Patience | None = Field(
        None, description="Seconds after which a request is given up with 504; the server's setting if absent."
    )
    load_timeout: Patience | None = Field(
        None, description="Seconds that the model's load may take; the server's setting if absent."
    )
    warmup: list[dict[str, Any]] = Field(
        [], description="Requests that are run before the model is ready, each as its JSON."
    )
    cache_enabled: bool = Field(
        False, description="Whether answers are kept, to give them again; the server has to allow it too."
    )
    parallel_workers: Annotated[int, AfterValidator(_at_least_0)] | None = Field(
        None, description="Worker processes of the model's own pool; 0 or less keeps it in the server's process."
    )
    replicas: int | None = Field(
        None, ge=1, description="Workers of its pool that hold the model; all of them if absent."
    )

    _folder: Path | None = PrivateAttr(None)
    _trust: Trust = PrivateAttr(Trust())
    _remarks: list[str] = PrivateAttr([])

    @field_validator("implementation")
    @classmethod
    def _is_a_name_or_class(cls, implementation: Any) -> Any:
        if not isinstance(implementation, str | type):
            raise ValueError("expected an import string or a class")
        return implementation

    @model_validator(mode="after")
    def _says_what_it_is(self) -> Self:
        if not self.implementation:
            raise ValueError(
                "implementation: missing; name a runtime, such as 'sklearn', or your own 'my_model.MyModel'"
            )
        return self

    @property
    def folder(self) -> Path | None:
        """The folder of `model-settings.json`; `None` for a model that was given in Python."""
        return self._folder

    @property
    def remarks(self) -> list[str]:
        """What is to be said of where they come from, though nothing is wrong, each in one line."""
        return list(self._remarks)

    @property
    def trust(self) -> Trust:
        """What the model may be made of; the server says so when it is loaded."""
        return self._trust

    def trusting(self, trust: Trust) -> ModelSettings:
        """Return the same settings for a model that may be made of what `trust` says."""
        settings = self.model_copy()
        settings._trust = trust
        return settings

    def located(self, folder: Path) -> ModelSettings:
        """Return the same settings as read from `folder`, and named after it if they have no name.

        Raises:
            ValueError: They have none, and the folder's is not fit for a model.
        """
        folder = folder.absolute()
        settings = self.model_copy(update={"name": self.name or name_of(folder)})
        settings._folder = folder
        return settings


def check_segment(text: str) -> None:
    """Check that a model may have this name or version.

    Raises:
        ValueError: None can.
    """
    if not 0 < len(text) <= _LONGEST_NAME:
        raise ValueError(f"expected 1 to {_LONGEST_NAME} characters")
    _path_segment(text)


def name_of(folder: Path) -> str:
    """Return the name of a model that is named after its folder.

    Raises:
        ValueError: The folder's name is not fit for a model.
    """
    name = folder.resolve().name
    try:
        check_segment(name)
    except ValueError:
        raise ValueError(
            f"name: missing, and that of the folder, {name[:64]!r}, is not fit for a model; give one"
        ) from None
    return name
