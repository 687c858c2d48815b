"""A collector of OpenTelemetry for tests: it takes traces, metrics and logs over HTTP or gRPC, as the real ones do."""

from __future__ import annotations

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass
class Span:
    """A span that was received; ids are hexadecimal."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    attributes: dict[str, Any]
    links: list[str]
    events: list[tuple[str, dict[str, Any]]]
    status: int
    start: int
    end: int
    resource: dict[str, Any]


@dataclass
class Line:
    """A log line that was received."""

    text: str
    severity: str
    logger: str
    trace_id: str
    span_id: str
    attributes: dict[str, Any]
    resource: dict[str, Any]


@dataclass
class Collector:
    """What was received so far."""

    spans: list[Span] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    paths: set[str] = field(default_factory=set)
    encodings: set[str] = field(default_factory=set)
    url: str = ""

    def __post_init__(self) -> None:
        self._news = threading.Condition()

    def wait(self, condition: Callable[[], Any], timeout_s: float = 60) -> None:
        """Wait until a condition holds of what was received."""
        with self._news:
            if not self._news.wait_for(condition, timeout_s):
                names = [span.name for span in self.spans]
                raise TimeoutError(f"received: spans {names}, lines {[line.text for line in self.lines]}")

    def named(self, name: str) -> list[Span]:
        """Return the spans of a name, in the order of their begin."""
        return sorted((span for span in self.spans if span.name == name), key=lambda span: span.start)

    def one(self, name: str) -> Span:
        """Return the only span of a name."""
        (span,) = self.named(name)
        return span

    def take(self, request: Any) -> None:
        """Take what an exporter sent."""
        with self._news:
            if isinstance(request, traces.ExportTraceServiceRequest):
                for resource in request.resource_spans:
                    self.spans += [
                        _span(span, _values(resource.resource.attributes))
                        for scope in resource.scope_spans
                        for span in scope.spans
                    ]
            elif isinstance(request, logs.ExportLogsServiceRequest):
                for resource in request.resource_logs:
                    self.lines += [
                        _line(record, scope.scope.name, _values(resource.resource.attributes))
                        for scope in resource.scope_logs
                        for record in scope.log_records
                    ]
            else:
                for resource in request.resource_metrics:
                    for scope in resource.scope_metrics:
                        self.metrics.update({metric.name: metric for metric in scope.metrics})
            self._news.notify_all()


def over_http() -> tuple[Collector, Callable[[], None]]:
    """Start a collector that takes OTLP over HTTP; return it and what stops it."""
    collector = Collector()
    kinds = {
        "/v1/traces": traces.ExportTraceServiceRequest,
        "/v1/metrics": metrics.ExportMetricsServiceRequest,
        "/v1/logs": logs.ExportLogsServiceRequest,
    }

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            encoding = self.headers.get("Content-Encoding", "")
            collector.encodings.add(encoding)
            collector.paths.add(self.path)
            request = kinds[self.path]()
            request.ParseFromString(gzip.decompress(body) if encoding == "gzip" else body)
            collector.take(request)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    collector.url = f"http://127.0.0.1:{server.server_port}"

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return collector, stop


def over_grpc() -> tuple[Collector, Callable[[], None]]:
    """Start a collector that takes OTLP over gRPC; return it and what stops it."""
    collector = Collector()

    class Traces(traces_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:
            collector.take(request)
            return traces.ExportTraceServiceResponse()

    class Metrics(metrics_grpc.MetricsServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:
            collector.take(request)
            return metrics.ExportMetricsServiceResponse()

    class Logs(logs_grpc.LogsServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:
            collector.take(request)
            return logs.ExportLogsServiceResponse()

    server = grpc.server(ThreadPoolExecutor(4))
    traces_grpc.add_TraceServiceServicer_to_server(Traces(), server)
    metrics_grpc.add_MetricsServiceServicer_to_server(Metrics(), server)
    logs_grpc.add_LogsServiceServicer_to_server(Logs(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    collector.url = f"http://127.0.0.1:{port}"
    return collector, lambda: server.stop(None).wait() and None


def _span(span: Any, resource: dict[str, Any]) -> Span:
    return Span(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.kind,
        _values(span.attributes),
        [link.span_id.hex() for link in span.links],
        [(event.name, _values(event.attributes)) for event in span.events],
        span.status.code,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        resource,
    )


def _line(record: Any, logger: str, resource: dict[str, Any]) -> Line:
    return Line(
        record.body.string_value,
        record.severity_text,
        logger,
        record.trace_id.hex(),
        record.span_id.hex(),
        _values(record.attributes),
        resource,
    )


def _values(attributes: Iterable[Any]) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in attributes}
