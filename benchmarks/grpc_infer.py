"""Requests a second of an identity model over gRPC: mlcore beside grpc.aio with the same handler, MLServer and KServe.

Each server has one core, the load generator (h2load) the other. The servers take turns, round after round, and the
table shows the medians and the ratios. h2load counts a failed call as a good one, so what a server answers is checked
before and after, and the bytes that it answered with are counted.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import grpc
from mlcore_protocol.protobuf.inference import (
    InferTensorContents,
    ModelInferRequest,
    ModelInferRequestInferInputTensor,
    ModelInferResponse,
)
from servers import (
    HERE,
    LOAD_CORE,
    SERVER_CORE,
    free_ports,
    identity_folder,
    mlcore_command,
    mlserver_command,
    stop,
)

METHOD = "/inference.GRPCInferenceService/ModelInfer"
FLOATS = 150_528
OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


@dataclass
class Load:
    """One kind of load: the request, and how many of it are under way at once."""

    request: bytes
    clients: int


def request_of(count: int, is_raw: bool) -> bytes:
    """Return an infer request with one FP32 tensor."""
    tensor = ModelInferRequestInferInputTensor(name="x", datatype="FP32", shape=[1, count])
    message = ModelInferRequest(model_name="identity", id="1", inputs=[tensor])
    if is_raw:
        message.raw_input_contents = [bytes(4 * count)]
    else:
        tensor.contents = InferTensorContents(fp32_contents=[1.0] * count)
    return bytes(message)


LOADS = {
    "tiny, typed": Load(request_of(4, is_raw=False), 16),
    "tiny, raw": Load(request_of(4, is_raw=True), 16),
    "tiny, raw, 1 client": Load(request_of(4, is_raw=True), 1),
    "600 KB, raw": Load(request_of(FLOATS, is_raw=True), 16),
}


def answer_of(port: int, request: bytes) -> bytes:
    """Ask once, check the answer, and return it."""
    with grpc.insecure_channel(f"127.0.0.1:{port}", OPTIONS) as channel:
        answer: bytes = channel.unary_unary(METHOD)(request, timeout=60)
    outputs = ModelInferResponse.parse(answer)
    asked = ModelInferRequest.parse(request)
    elements = outputs.raw_output_contents or [bytes(0)]
    if asked.raw_input_contents and elements != asked.raw_input_contents:
        raise RuntimeError("the answer is wrong")
    if not asked.raw_input_contents and outputs.outputs[0].contents != asked.inputs[0].contents:
        raise RuntimeError("the answer is wrong")
    return answer


def rate(port: int, load: Load, seconds: int, body: Path) -> float:
    """Return the requests a second that a server answers."""
    size = len(answer_of(port, load.request)) + 5
    body.write_bytes(b"\0" + struct.pack(">I", len(load.request)) + load.request)
    connections = min(load.clients, 4)
    command = [
        *["taskset", "-c", LOAD_CORE, "h2load", "-t1", f"-c{connections}", f"-m{load.clients // connections}"],
        *["-w24", "-W24", "-f16777215", "-d", str(body), "-H", "content-type: application/grpc", "-H", "te: trailers"],
        f"http://127.0.0.1:{port}{METHOD}",
    ]
    # h2load's own warm-up counts bytes, but no answers.
    subprocess.run([*command, "-D1"], capture_output=True, check=True)
    done = subprocess.run([*command, f"-D{seconds}"], capture_output=True, text=True, check=True).stdout
    answered = int(re.search(r"(\d+) 2xx", done)[1])
    data = int(re.search(r"\((\d+)\) data", done)[1])
    # An answer that came in part when the time was over counts its bytes, but not itself.
    if not answered or not answered * size <= data <= (answered + 2 * load.clients) * size:
        raise RuntimeError(f"{answered} answers of {size} bytes cannot be {data} bytes:\n{done}")
    answer_of(port, load.request)
    return answered / seconds


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with exit code {process.returncode}")
        try:
            answer_of(port, LOADS["tiny, raw"].request)
        except grpc.RpcError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the server did not answer in time")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mlserver", metavar="PYTHON", help="an interpreter that has MLServer")
    parser.add_argument("--kserve", metavar="PYTHON", help="an interpreter that has KServe's Python server")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    given = parser.parse_args()
    figures: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        ours = identity_folder(folder, "mlcore")
        theirs = identity_folder(folder, "mlserver")
        for _ in range(given.rounds):
            port, http_port = free_ports(2)
            mine = [*mlcore_command(ours, http_port), "--grpc-port", str(port), "--metrics-port", "0"]
            commands = {
                "mlcore": mine,
                "mlcore inline": [*mine, "--parallel-workers", "0"],
                "grpc.aio": [sys.executable, str(HERE / "grpc_peers.py"), "aio", str(port)],
            }
            if given.mlserver:
                commands["MLServer"] = mlserver_command(given.mlserver, theirs, http_port, port)
                settings = json.loads((theirs / "settings.json").read_text())
                (theirs / "settings.json").write_text(json.dumps(settings | {"grpc_max_message_length": 2**27}))
            if given.kserve:
                commands["KServe"] = [given.kserve, str(HERE / "grpc_peers.py"), "kserve", str(port)]
            for name, command in commands.items():
                process = subprocess.Popen(
                    ["taskset", "-c", SERVER_CORE, *command],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
                try:
                    wait_for(port, process)
                    for kind, load in LOADS.items():
                        found = rate(port, load, given.seconds, folder / "body")
                        figures.setdefault((kind, name), []).append(found)
                finally:
                    stop(process)
    names = list(dict.fromkeys(name for _, name in figures))
    print(f"{'':>20}" + "".join(f"{name:>15}" for name in names) + "    mlcore against the others")
    for kind in LOADS:
        median = {name: statistics.median(figures[kind, name]) for name in names}
        ratios = ", ".join(f"{median['mlcore'] / median[name]:.2f} x {name}" for name in names if name != "mlcore")
        print(f"{kind:>20}" + "".join(f"{median[name]:>15,.0f}" for name in names) + f"    {ratios}")


if __name__ == "__main__":
    main()
