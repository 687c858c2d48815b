"""Lines a second of `mlcore infer` beside `mlserver infer`, and of the HTTP clients that it could have been made of.

Both commands ask the same server, mlcore's, with the same file, each in turn, round after round; what they take to
start is part of it, as it is for whoever waits. A command has one core, the server the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import httpx
from servers import LOAD_CORE, free_ports, identity_folder, mlcore_command, running

WORKERS = 10


def write_requests(path: Path, lines: int, size: int) -> None:
    """Write a file of requests, each with a tensor of so many numbers."""
    tensor = {"name": "x", "shape": [1, size], "datatype": "FP32", "data": [index / 8 for index in range(size)]}
    with path.open("w") as file:
        for index in range(lines):
            file.write(json.dumps({"id": str(index), "inputs": [tensor]}) + "\n")


def lines_a_second(command: list[str], target: Path, lines: int) -> float:
    """Run a command that writes as many lines, and return its speed."""
    target.unlink(missing_ok=True)
    began = time.perf_counter()
    done = subprocess.run(["taskset", "-c", LOAD_CORE, *command], capture_output=True, text=True)
    took_s = time.perf_counter() - began
    answered = [json.loads(line) for line in target.read_text().splitlines()] if target.exists() else []
    if len([line for line in answered if "outputs" in line]) != lines:
        raise RuntimeError(f"{command}: {len(answered)} lines, exit code {done.returncode}:\n{done.stderr[-2000:]}")
    return lines / took_s


async def cpu_of_client(name: str, url: str, body: bytes, count: int) -> float:
    """Return the seconds of CPU that a HTTP client takes for each of so many requests."""
    headers = {"Content-Type": "application/json"}

    async def drive(ask: object) -> float:
        left = iter(range(count))

        async def work() -> None:
            for _ in left:
                await ask()  # type: ignore[operator]

        began = time.process_time()
        await asyncio.gather(*(work() for _ in range(WORKERS)))
        return (time.process_time() - began) / count

    if name == "aiohttp":
        async with aiohttp.ClientSession() as session:

            async def ask() -> None:
                async with session.post(url, data=body, headers=headers) as answer:
                    await answer.read()

            return await drive(ask)
    async with httpx.AsyncClient() as client:
        return await drive(lambda: client.post(url, content=body, headers=headers))


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mlserver", metavar="PYTHON", help="an interpreter that has MLServer")
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=4, help="numbers in each line's tensor")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    speeds: dict[str, list[float]] = {}
    clients: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        source, target = folder / "in.jsonl", folder / "out.jsonl"
        write_requests(source, given.lines, given.size)
        port, grpc_port = free_ports(2)
        server = [*mlcore_command(identity_folder(folder, "mlcore"), port), "--grpc-port", str(grpc_port)]
        files = ["-m", "identity", "-i", str(source), "-o", str(target), "-w", str(WORKERS)]
        ours = [sys.executable, "-m", "mlcore", "infer", *files]
        commands = {
            "mlcore infer": [*ours, "-u", f"localhost:{port}"],
            "mlcore infer, binary": [*ours, "-u", f"localhost:{port}", "-b"],
            "mlcore infer, grpc": [*ours, "-u", f"grpc://localhost:{grpc_port}"],
            "mlcore infer, grpc, binary": [*ours, "-u", f"grpc://localhost:{grpc_port}", "-b"],
            "mlcore infer, 16 a request": [*ours, "-u", f"localhost:{port}", "-s", "16"],
        }
        if given.mlserver:
            theirs = [str(Path(given.mlserver).parent / "mlserver"), "infer", *files, "-u", f"localhost:{port}"]
            commands["mlserver infer"] = theirs
            commands["mlserver infer, 16 a request"] = [*theirs, "-s", "16"]
        url = f"http://127.0.0.1:{port}/v2/models/identity/infer"
        body = source.open("rb").readline()
        with running([*server, "--metrics-port", "0"], f"http://127.0.0.1:{port}/v2/models/identity/ready"):
            for _ in range(given.rounds):
                for name, command in commands.items():
                    speeds.setdefault(name, []).append(lines_a_second(command, target, given.lines))
                for name in ("aiohttp", "httpx"):
                    found = asyncio.run(cpu_of_client(name, url, body, min(given.lines, 2000)))
                    clients.setdefault(name, []).append(found)
    base = statistics.median(speeds.get("mlserver infer", speeds["mlcore infer"]))
    beside = "mlserver infer" if given.mlserver else "mlcore infer"
    for name, found in speeds.items():
        median = statistics.median(found)
        print(f"{name:>28} {median:>10,.0f} lines/s    {median / base:.2f} x {beside}")
    aio, other = (statistics.median(clients[name]) for name in ("aiohttp", "httpx"))
    print(f"a request takes aiohttp {aio * 1e6:,.0f} us of CPU, httpx {other / aio:.1f} times that")


if __name__ == "__main__":
    main()
