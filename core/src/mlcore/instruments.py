"""What the core measures: every instrument, by the name that dashboards use.

They are those of the OpenTelemetry API, and cost next to nothing until somebody collects them. Whatever imports this
module is on the way of requests; `import mlcore` is not.
"""

from __future__ import annotations

from opentelemetry import metrics

_meter = metrics.get_meter("mlcore")

BATCH_ROWS = _meter.create_histogram(
    "mlcore.batch.rows",
    unit="{row}",
    description="Rows of each batch, by `model`, `version` and the `reason` for which it was released.",
    explicit_bucket_boundaries_advisory=[1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
)
CACHE_LOOKUPS = _meter.create_counter(
    "mlcore.cache.lookups",
    unit="{request}",
    description="Requests that the response cache was asked for, by `model`, `version` and `outcome`: hit or miss.",
)
CACHE_EVICTIONS = _meter.create_counter(
    "mlcore.cache.evictions",
    unit="{answer}",
    description="Answers that left the response cache, by `model`, `version` and `reason`: size, bytes or age.",
)
QUEUE_SIZE = _meter.create_up_down_counter(
    "mlcore.queue.size", unit="{request}", description="Requests that wait for a replica, by `model` and `version`."
)
REQUESTS_REFUSED = _meter.create_counter(
    "mlcore.requests.refused",
    unit="{request}",
    description="Requests without an answer, by `model`, `version` and `reason`: queue, deadline, cancelled.",
)
WORKER_DEATHS = _meter.create_counter(
    "mlcore.worker.deaths",
    unit="{worker}",
    description="Workers that ended unasked, by `pool` and `cause`.",
)
