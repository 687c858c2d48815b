"""What mlcore measures: every instrument, by the name that dashboards use.

Label values come from loaded models and fixed lists, never from what a client sends. The page docs/metrics.md is made
from this file.
"""

from __future__ import annotations

from typing import NamedTuple

COUNTER = "counter"
GAUGE = "gauge"
HISTOGRAM = "histogram"
UP_DOWN_COUNTER = "up_down_counter"


class Instrument(NamedTuple):
    """One thing that is measured.

    Attributes:
        name: Its name, as OpenTelemetry writes it.
        kind: A counter, a histogram, or a gauge, which is asked when somebody collects.
        unit: Its unit, by UCUM; in braces if it only says what is counted.
        labels: What its series differ in.
        description: What it says.
        bounds: The upper bounds of a histogram's buckets.
    """

    name: str
    kind: str
    unit: str
    labels: tuple[str, ...]
    description: str
    bounds: tuple[float, ...] = ()


DURATIONS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LOADS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_SIZES = tuple(float(256 * 4**power) for power in range(10))
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

_MODEL = ("model", "version")

# --- requests for models -------------------------------------------------------------------------------------------

REQUEST_DURATION = Instrument(
    "mlcore.request.duration",
    HISTOGRAM,
    "s",
    (*_MODEL, "outcome"),
    "Time from a request's arrival to its answer. `outcome` is `ok`, or the code of the error.",
    DURATIONS,
)
REQUESTS_ACTIVE = Instrument(
    "mlcore.requests.active", GAUGE, "{request}", _MODEL, "Requests that were let in and are not over."
)
REQUESTS_REFUSED = Instrument(
    "mlcore.requests.refused",
    COUNTER,
    "{request}",
    (*_MODEL, "reason"),
    "Requests without an answer, by `reason`: `queue` is full, `deadline`, or `cancelled` by the client.",
)
REQUEST_SIZE = Instrument(
    "mlcore.request.size", HISTOGRAM, "By", _MODEL, "Bytes of each request's body, uncompressed.", _SIZES
)
RESPONSE_SIZE = Instrument(
    "mlcore.response.size", HISTOGRAM, "By", _MODEL, "Bytes of each answer, uncompressed; all of a stream's.", _SIZES
)

# --- the steps of a request that is answered -----------------------------------------------------------------------

QUEUE_DURATION = Instrument(
    "mlcore.queue.duration",
    HISTOGRAM,
    "s",
    _MODEL,
    "Time that a request waits for the model: in the server, then for one of the model's threads.",
    DURATIONS,
)
QUEUE_SIZE = Instrument("mlcore.queue.size", GAUGE, "{request}", _MODEL, "Requests that wait for a replica.")
DECODE_DURATION = Instrument(
    "mlcore.decode.duration", HISTOGRAM, "s", _MODEL, "Time from a request's bytes to its tensors.", DURATIONS
)
BATCH_WAIT_DURATION = Instrument(
    "mlcore.batch.wait.duration",
    HISTOGRAM,
    "s",
    _MODEL,
    "Time that a request waits for its batch to begin, of models with batches.",
    DURATIONS,
)
PREDICT_DURATION = Instrument(
    "mlcore.predict.duration",
    HISTOGRAM,
    "s",
    _MODEL,
    "Time that the model works on a request; on its whole batch, where it shares one.",
    DURATIONS,
)
ENCODE_DURATION = Instrument(
    "mlcore.encode.duration", HISTOGRAM, "s", _MODEL, "Time from an answer's tensors to its bytes.", DURATIONS
)

# --- batches and the response cache --------------------------------------------------------------------------------

BATCH_ROWS = Instrument(
    "mlcore.batch.rows",
    HISTOGRAM,
    "{row}",
    (*_MODEL, "reason"),
    "Rows of each batch. `reason` is why it was released: `idle` model, `full`, `time`, or `alone`: not to be merged.",
    _ROWS,
)
CACHE_LOOKUPS = Instrument(
    "mlcore.cache.lookups",
    COUNTER,
    "{request}",
    (*_MODEL, "outcome"),
    "Requests that the response cache was asked for; `outcome` is `hit` or `miss`.",
)
CACHE_EVICTIONS = Instrument(
    "mlcore.cache.evictions",
    COUNTER,
    "{answer}",
    (*_MODEL, "reason"),
    "Answers that left the response cache, by `reason`: `size`, `bytes` or `age`.",
)

# --- models --------------------------------------------------------------------------------------------------------

MODEL_STATE = Instrument(
    "mlcore.model.state",
    GAUGE,
    "",
    (*_MODEL, "state"),
    "1 for the state that a model is in, of those that were asked for: LOADING, READY, UNAVAILABLE or UNLOADING; "
    "0 for the others.",
)
MODEL_LOAD_DURATION = Instrument(
    "mlcore.model.load.duration",
    HISTOGRAM,
    "s",
    (*_MODEL, "outcome"),
    "Time that each load takes, in all workers; `outcome` is `ok` or `failed`.",
    _LOADS,
)

# --- workers -------------------------------------------------------------------------------------------------------

WORKERS = Instrument(
    "mlcore.workers", GAUGE, "{worker}", ("pool",), "Workers that are alive. The server's own pool has no name."
)
WORKER_DEATHS = Instrument(
    "mlcore.worker.deaths", COUNTER, "{worker}", ("pool", "cause"), "Workers that ended unasked."
)
WORKER_MEMORY = Instrument(
    "mlcore.worker.memory.usage",
    GAUGE,
    "By",
    ("pool", "worker"),
    "Resident memory of each worker, shared pages included; `worker` is its place in the pool.",
)
WORKER_CPU = Instrument(
    "mlcore.worker.cpu.time", COUNTER, "s", ("pool", "worker"), "Processor time of each worker since it was started."
)

# --- transports, mostly by the semantic conventions of OpenTelemetry -----------------------------------------------

CONNECTIONS = Instrument(
    "mlcore.connections", GAUGE, "{connection}", ("transport",), "Connections that clients have open."
)
CONNECTIONS_REFUSED = Instrument(
    "mlcore.connections.refused",
    COUNTER,
    "{connection}",
    ("transport", "reason"),
    "Connections that were refused because there were too many, by `reason`: in `total`, or of one `peer`.",
)

HTTP_DURATION = Instrument(
    "http.server.request.duration",
    HISTOGRAM,
    "s",
    ("http.request.method", "http.route", "http.response.status_code"),
    "Time that an HTTP request takes, its body included.",
    DURATIONS,
)
HTTP_ACTIVE = Instrument(
    "http.server.active_requests", GAUGE, "{request}", ("http.request.method",), "HTTP requests under way."
)
HTTP_REQUEST_SIZE = Instrument(
    "http.server.request.body.size",
    HISTOGRAM,
    "By",
    ("http.request.method", "http.route", "http.response.status_code"),
    "Bytes of HTTP request bodies, as the client says before it sends them.",
    _SIZES,
)
HTTP_RESPONSE_SIZE = Instrument(
    "http.server.response.body.size",
    HISTOGRAM,
    "By",
    ("http.request.method", "http.route", "http.response.status_code"),
    "Bytes of HTTP response bodies, as they are sent.",
    _SIZES,
)

RPC_DURATION = Instrument(
    "rpc.server.call.duration",
    HISTOGRAM,
    "s",
    ("rpc.method", "rpc.response.status_code"),
    "Time that a gRPC call takes, from its headers to its end.",
    DURATIONS,
)
RPC_ACTIVE = Instrument("mlcore.grpc.calls.active", GAUGE, "{call}", ("rpc.method",), "gRPC calls under way.")
RPC_REQUEST_SIZE = Instrument(
    "rpc.server.request.size",
    HISTOGRAM,
    "By",
    ("rpc.method", "rpc.response.status_code"),
    "Bytes of all messages that the client of a gRPC call sends.",
    _SIZES,
)
RPC_RESPONSE_SIZE = Instrument(
    "rpc.server.response.size",
    HISTOGRAM,
    "By",
    ("rpc.method", "rpc.response.status_code"),
    "Bytes of all messages that the client of a gRPC call is sent.",
    _SIZES,
)

KAFKA_DURATION = Instrument(
    "messaging.process.duration",
    HISTOGRAM,
    "s",
    ("messaging.destination.name", "outcome"),
    "Time from a message of Kafka that is taken to its answer that is written, with all tries. `outcome` is `ok`, or "
    "the code of the error that its dead letter says.",
    (*DURATIONS, 120, 300),
)
KAFKA_ACTIVE = Instrument(
    "mlcore.kafka.messages.active",
    GAUGE,
    "{message}",
    ("messaging.destination.name",),
    "Messages of Kafka that were taken and have no answer yet.",
)
KAFKA_RETRIES = Instrument(
    "mlcore.kafka.retries",
    COUNTER,
    "{try}",
    ("messaging.destination.name", "code"),
    "Further tries of messages, by the code of the error before.",
)
KAFKA_LAG = Instrument(
    "mlcore.kafka.lag",
    GAUGE,
    "{message}",
    ("messaging.destination.name", "partition"),
    "How far each partition that this server has is behind: its end, less the first message without an answer.",
)

# --- TLS -----------------------------------------------------------------------------------------------------------

TLS_CERTIFICATE_EXPIRY = Instrument(
    "mlcore.tls.certificate.expiry",
    GAUGE,
    "s",
    (),
    "When the server's certificate expires, in seconds since 1970.",
)

INSTRUMENTS = tuple(value for value in list(globals().values()) if isinstance(value, Instrument))
