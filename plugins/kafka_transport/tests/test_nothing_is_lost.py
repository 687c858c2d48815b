"""Every request is answered, though workers and servers are killed meanwhile.

With `KAFKA_MESSAGES=10000` there are more, and a server that is stopped and started too.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter

import psutil
from mlcore.testing import start_server

from .topics import PATIENCE_S, body, topics

MESSAGES = int(os.environ.get("KAFKA_MESSAGES", "1000"))

SETTINGS = '{"name": "echo", "implementation": "my_model.Slow"}'
MODEL = """
import time

from mlcore import MLModel
from mlcore.types import InferenceResponse, ResponseOutput


class Slow(MLModel):
    def predict(self, payload):
        time.sleep(0.001)
        (x,) = payload.inputs
        output = ResponseOutput(name="x", shape=x.shape, datatype=x.datatype, data=x.data)
        return InferenceResponse(model_name=self.name, outputs=[output])
"""


async def test_f34_nothing_is_lost_though_workers_and_servers_are_killed(broker, tmp_path):
    model = tmp_path / "echo"
    model.mkdir()
    (model / "model-settings.json").write_text(SETTINGS)
    (model / "my_model.py").write_text(MODEL)
    async with topics(broker.address, partitions=4) as own:
        variables = {f"MLCORE_{name.upper()}": str(value).lower() for name, value in own.settings.items()}
        variables["MLCORE_TRANSPORTS"] = '["rest", "kafka"]'

        async def start():
            return await asyncio.to_thread(start_server, tmp_path, "--parallel-workers", "2", env=variables)

        async def write(numbers):
            for first in range(numbers.start, numbers.stop, 100):
                batch = range(first, min(first + 100, numbers.stop))
                await asyncio.gather(*(own.write(body(number), str(number)) for number in batch))

        async def answered(count):
            async with asyncio.timeout(PATIENCE_S * 5):
                while len({record.key for record in own.read}) < count:
                    await own.more()

        async def until(count):
            """Write up to this request, and wait for some of the answers: the rest is under way, or waits."""
            writing = asyncio.create_task(write(range(count - quarter, count)))
            await answered(count - quarter // 2)
            return writing

        quarter = MESSAGES // 4
        server = await start()
        try:
            writings = [await until(quarter)]
            random.choice(psutil.Process(server.process.pid).children()).kill()
            writings.append(await until(2 * quarter))
            if MESSAGES > 1000:
                assert await asyncio.to_thread(server.stop) == 0
                server = await start()
            writings.append(await until(3 * quarter))
            server.process.kill()
            await asyncio.to_thread(server.stop)
            server = await start()
            writings.append(await until(4 * quarter))
            await asyncio.gather(*writings)
            await answered(4 * quarter)
        finally:
            code = await asyncio.to_thread(server.stop)
        committed = await own.committed()

        times = Counter(record.key for record in own.read)
        print(f"{4 * quarter} requests, {sum(times.values())} answers, at most {max(times.values())} for one")
        assert code == 0
        assert {record.topic for record in own.read} == {own.output}
        assert times.keys() == {str(number).encode() for number in range(4 * quarter)}
        assert all(record.json()["outputs"][0]["data"] == [float(record.key)] for record in own.read)
        assert sum(committed.values()) == 4 * quarter
