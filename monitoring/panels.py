"""What the dashboards show: every panel with its queries, in the order in which they stand."""

from __future__ import annotations

from typing import NamedTuple


class Query(NamedTuple):
    """One query of a panel, and what its lines are called."""

    expression: str
    legend: str


class Panel(NamedTuple):
    """One panel: what it is called, in what unit it counts, what it tells, and what it asks."""

    title: str
    unit: str
    description: str
    queries: list[Query]
    is_stat: bool = False


class Board(NamedTuple):
    """One dashboard: rows of panels."""

    uid: str
    title: str
    description: str
    rows: dict[str, list[Panel]]


HERE = 'instance=~"$instance"'
MODEL = 'instance=~"$instance",model=~"$model"'
SERVER_ERRORS = 'outcome=~"internal|unavailable|overloaded|deadline_exceeded"'


def _rate(metric: str, labels: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}{{{labels}}}[$__rate_interval]))"


def _quantile(share: float, metric: str, labels: str, by: str) -> Query:
    legend = f"p{share * 100:g} " + " ".join(f"{{{{{name}}}}}" for name in by.split(", ") if name)
    buckets = _rate(f"{metric}_bucket", labels, f"le, {by}" if by else "le")
    return Query(f"histogram_quantile({share}, {buckets})", legend.strip())


def _mean(metric: str, labels: str, legend: str) -> Query:
    seconds, count = (f"sum(rate({metric}_{part}{{{labels}}}[$__rate_interval]))" for part in ("sum", "count"))
    return Query(f"{seconds} / {count}", legend)


def _steps(labels: str) -> list[Query]:
    steps = {"queue": "queue", "decode": "decode", "batch_wait": "batch", "predict": "predict", "encode": "encode"}
    return [_mean(f"mlcore_{name}_duration_seconds", labels, legend) for name, legend in steps.items()]


SERVER = Board(
    "mlcore-server",
    "mlcore: server",
    "What comes in over REST and gRPC, how it is answered, and what the server itself takes.",
    {
        "Now": [
            Panel("Models ready", "short", "Models that answer requests.",
                  [Query(f'sum(mlcore_model_state{{{HERE},state="READY"}})', "ready")], is_stat=True),
            Panel("Models not ready", "short", "Models that were asked for and do not answer.",
                  [Query(f'sum(mlcore_model_state{{{HERE},state!="READY"}})', "not ready")], is_stat=True),
            Panel("Workers", "short", "Workers that are alive.",
                  [Query(f"sum(mlcore_workers{{{HERE}}})", "workers")], is_stat=True),
            Panel("Under way", "short", "Requests that were let in and are not over.",
                  [Query(f"sum(mlcore_requests_active{{{HERE}}})", "requests")], is_stat=True),
        ],
        "Requests for models": [
            Panel("By outcome", "reqps", "Requests a second, by how they ended.",
                  [Query(_rate("mlcore_request_duration_seconds_count", HERE, "outcome"), "{{outcome}}")]),
            Panel("By model", "reqps", "Requests a second for each model.",
                  [Query(_rate("mlcore_request_duration_seconds_count", HERE, "model, version"),
                         "{{model}} {{version}}")]),
            Panel("Duration", "s", "Time from arrival to answer.",
                  [_quantile(share, "mlcore_request_duration_seconds", HERE, "") for share in (0.5, 0.9, 0.99)]),
            Panel("Failures", "percentunit", "Share of requests that failed through no fault of the client.",
                  [Query(_rate("mlcore_request_duration_seconds_count", f"{HERE},{SERVER_ERRORS}", "instance")
                         + " / " + _rate("mlcore_request_duration_seconds_count", HERE, "instance"), "{{instance}}")]),
        ],
        "REST": [
            Panel("By route and status", "reqps", "HTTP requests a second.",
                  [Query(_rate("http_server_request_duration_seconds_count", HERE,
                               "http_request_method, http_route, http_response_status_code"),
                         "{{http_request_method}} {{http_route}} {{http_response_status_code}}")]),
            Panel("Duration by route", "s", "99 of 100 HTTP requests are faster.",
                  [_quantile(0.99, "http_server_request_duration_seconds", HERE, "http_route")]),
            Panel("Bytes", "Bps", "Bodies that come and go, a second.",
                  [Query(_rate("http_server_request_body_size_bytes_sum", HERE, "instance"), "in {{instance}}"),
                   Query(_rate("http_server_response_body_size_bytes_sum", HERE, "instance"), "out {{instance}}")]),
            Panel("Under way", "short", "HTTP requests under way.",
                  [Query(f"sum by (http_request_method) (http_server_active_requests{{{HERE}}})",
                         "{{http_request_method}}")]),
        ],
        "gRPC": [
            Panel("By method and status", "reqps", "gRPC calls a second.",
                  [Query(_rate("rpc_server_call_duration_seconds_count", HERE, "rpc_method, rpc_response_status_code"),
                         "{{rpc_method}} {{rpc_response_status_code}}")]),
            Panel("Duration by method", "s", "99 of 100 gRPC calls are faster.",
                  [_quantile(0.99, "rpc_server_call_duration_seconds", HERE, "rpc_method")]),
            Panel("Bytes", "Bps", "Messages that come and go, a second.",
                  [Query(_rate("rpc_server_request_size_bytes_sum", HERE, "instance"), "in {{instance}}"),
                   Query(_rate("rpc_server_response_size_bytes_sum", HERE, "instance"), "out {{instance}}")]),
            Panel("Under way", "short", "gRPC calls under way.",
                  [Query(f"sum by (rpc_method) (mlcore_grpc_calls_active{{{HERE}}})", "{{rpc_method}}")]),
        ],
        "The server's own process": [
            Panel("Processor", "short", "Cores that it uses.",
                  [Query(f"rate(process_cpu_seconds_total{{{HERE}}}[$__rate_interval])", "{{instance}}")]),
            Panel("Memory", "bytes", "Resident memory; that of workers is on their own dashboard.",
                  [Query(f"process_resident_memory_bytes{{{HERE}}}", "{{instance}}")]),
            Panel("Open descriptors", "short", "Sockets, files and pipes that are open.",
                  [Query(f"process_open_fds{{{HERE}}}", "{{instance}}")]),
        ],
    },
)  # fmt: skip

MODELS = Board(
    "mlcore-model",
    "mlcore: model",
    "One model: its requests, where their time goes, and what waits.",
    {
        "Requests": [
            Panel("By outcome", "reqps", "Requests a second, by how they ended.",
                  [Query(_rate("mlcore_request_duration_seconds_count", MODEL, "outcome"), "{{outcome}}")]),
            Panel("Duration", "s", "Time from arrival to answer.",
                  [_quantile(share, "mlcore_request_duration_seconds", MODEL, "") for share in (0.5, 0.9, 0.99)]),
            Panel("Failures", "percentunit", "Share of requests that failed through no fault of the client.",
                  [Query(_rate("mlcore_request_duration_seconds_count", f"{MODEL},{SERVER_ERRORS}", "model, version")
                         + " / " + _rate("mlcore_request_duration_seconds_count", MODEL, "model, version"),
                         "{{model}} {{version}}")]),
        ],
        "Where the time goes": [
            Panel("Steps", "s", "Mean time of each step of the requests that were answered.", _steps(MODEL)),
            Panel("Predict", "s", "Time that the model works on a request, or on its batch.",
                  [_quantile(share, "mlcore_predict_duration_seconds", MODEL, "") for share in (0.5, 0.9, 0.99)]),
            Panel("Queue", "s", "Time that a request waits for the model.",
                  [_quantile(share, "mlcore_queue_duration_seconds", MODEL, "") for share in (0.5, 0.9, 0.99)]),
        ],
        "Load": [
            Panel("Under way and waiting", "short", "Requests that were let in, and those of them that wait.",
                  [Query(f"sum by (model, version) (mlcore_requests_active{{{MODEL}}})",
                         "under way {{model}} {{version}}"),
                   Query(f"sum by (model, version) (mlcore_queue_size{{{MODEL}}})", "waiting {{model}} {{version}}")]),
            Panel("Without an answer", "reqps", "Requests a second that were refused, late or given up.",
                  [Query(_rate("mlcore_requests_refused_total", MODEL, "reason"), "{{reason}}")]),
            Panel("Sizes", "bytes", "Mean bytes of requests and answers.",
                  [_mean("mlcore_request_size_bytes", MODEL, "request"),
                   _mean("mlcore_response_size_bytes", MODEL, "answer")]),
        ],
        "State": [
            Panel("State", "short", "1 for the state that the model is in.",
                  [Query(f"mlcore_model_state{{{MODEL}}} == 1", "{{model}} {{version}} {{state}}")]),
            Panel("Loads", "s", "Mean time of the loads so far.",
                  [Query(f"mlcore_model_load_duration_seconds_sum{{{MODEL}}} / "
                         f"mlcore_model_load_duration_seconds_count{{{MODEL}}}", "{{model}} {{version}} {{outcome}}")]),
            Panel("Cache hits", "percentunit", "Share of requests that the response cache answers.",
                  [Query(_rate("mlcore_cache_lookups_total", f'{MODEL},outcome="hit"', "model, version")
                         + " / " + _rate("mlcore_cache_lookups_total", MODEL, "model, version"),
                         "{{model}} {{version}}")]),
        ],
    },
)  # fmt: skip

WORKERS = Board(
    "mlcore-workers",
    "mlcore: workers and batches",
    "The processes that hold the models, and how requests share them.",
    {
        "Workers": [
            Panel("Alive", "short", "Workers that are alive.",
                  [Query(f"mlcore_workers{{{HERE}}}", "{{instance}} {{pool}}")]),
            Panel("Deaths", "short", "Workers that ended unasked, since the server was started.",
                  [Query(f"sum by (pool, cause) (mlcore_worker_deaths_total{{{HERE}}})", "{{pool}} {{cause}}")]),
            Panel("Processor", "short", "Cores that each worker uses.",
                  [Query(f"rate(mlcore_worker_cpu_time_seconds_total{{{HERE}}}[$__rate_interval])",
                         "{{pool}} {{worker}}")]),
            Panel("Memory", "bytes", "Resident memory of each worker, shared pages included.",
                  [Query(f"mlcore_worker_memory_usage_bytes{{{HERE}}}", "{{pool}} {{worker}}")]),
        ],
        "Batches": [
            Panel("Rows of a batch", "short", "Mean rows of a batch.",
                  [Query(_rate("mlcore_batch_rows_sum", MODEL, "model, version")
                         + " / " + _rate("mlcore_batch_rows_count", MODEL, "model, version"),
                         "{{model}} {{version}}")]),
            Panel("Why batches were released", "short", "Batches a second, by reason.",
                  [Query(_rate("mlcore_batch_rows_count", MODEL, "reason"), "{{reason}}")]),
            Panel("Wait for a batch", "s", "Time that a request waits for its batch to begin.",
                  [_quantile(share, "mlcore_batch_wait_duration_seconds", MODEL, "") for share in (0.5, 0.9, 0.99)]),
        ],
        "Response cache": [
            Panel("Lookups", "reqps", "Requests a second that the cache was asked for.",
                  [Query(_rate("mlcore_cache_lookups_total", MODEL, "model, outcome"), "{{model}} {{outcome}}")]),
            Panel("Evictions", "short", "Answers a second that left the cache, by reason.",
                  [Query(_rate("mlcore_cache_evictions_total", MODEL, "model, reason"), "{{model}} {{reason}}")]),
        ],
    },
)  # fmt: skip

BOARDS = {"server": SERVER, "model": MODELS, "workers": WORKERS}
