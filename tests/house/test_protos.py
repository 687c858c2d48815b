"""The generated messages are those of the .proto files."""

import filecmp
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
WRITTEN = ROOT / "protocol/src/mlcore_protocol/protobuf"


def test_the_messages_are_up_to_date(tmp_path: Path) -> None:
    subprocess.run([ROOT / "scripts/protos", tmp_path], check=True, capture_output=True)

    made = [file.relative_to(tmp_path) for file in tmp_path.rglob("*") if file.is_file() and file.parent != tmp_path]
    assert made
    assert all(filecmp.cmp(tmp_path / file, WRITTEN / file, shallow=False) for file in made), "run scripts/protos"
    assert filecmp.cmp(tmp_path / "descriptors.binpb", WRITTEN / "descriptors.binpb", shallow=False)
