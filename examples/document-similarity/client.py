"""Asks the service how alike two texts are: python client.py [http://127.0.0.1:8080]."""

import sys

import requests
from mlcore.codecs import StringCodec
from texts import BARBIE, OPPENHEIMER

server = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"

inference_request = {
    "inputs": [StringCodec.encode_input(name="docs", payload=[BARBIE, OPPENHEIMER], use_bytes=False).dict()]
}
r = requests.post(f"{server}/v2/models/doc-sim-model/infer", json=inference_request, timeout=60)
r.raise_for_status()

print(r.json())
print(f"Our movies are {round(r.json()['outputs'][0]['data'][0] * 100, 4)}% similar!")
