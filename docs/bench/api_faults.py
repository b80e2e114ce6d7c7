"""Swaps and damages models under load and writes api_faults.md: python docs/bench/api_faults.py.

Needs the root requirements. A model is made first in a temporary folder unless --models names a
registry. The exit code is 1 when a request under load had another answer than 200, or when a
damaged bundle was not refused.
"""

import argparse
import http.client
import json
import random
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from api_parts import model_registry, running_api
from bench_page import machine
from measuring import HERE, say

KEY: Final = "cle-du-banc-des-pannes"
HEADERS: Final = {"X-API-KEY": KEY, "Content-Type": "application/json"}
READING: Final = json.dumps(
    {"loco_id": "LOCO_001", "flow_rate": 500, "pressure": 5, "vibration": 2, "temperature": 45}
).encode()
CLIENTS: Final = 4
SEED: Final = 7


class Load:
    """Clients that ask `/predict` without a pause, each on a connection of its own."""

    def __init__(self, port: int) -> None:
        self.statuses: Counter[Any] = Counter()
        self.slowest_s = 0.0
        self._port = port
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        client = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._over.is_set():
            began_s = time.perf_counter()
            try:
                client.request("POST", "/predict", READING, HEADERS)
                answer = client.getresponse()
                answer.read()
                self.statuses[answer.status] += 1
            except (OSError, http.client.HTTPException) as error:
                self.statuses[type(error).__name__] += 1
                client.close()
            self.slowest_s = max(self.slowest_s, time.perf_counter() - began_s)


def main() -> int:
    """Run both cases and write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, help="registry with a promoted model")
    parser.add_argument("--swaps", type=int, default=1000)
    parser.add_argument("--damages", type=int, default=100)
    flags = parser.parse_args()
    with TemporaryDirectory() as text:
        folder = Path(text)
        models = model_registry(folder, flags.models)
        versions = _two_versions(models)
        with running_api(folder, models, KEY) as port:
            swaps = _swaps(port, versions, flags.swaps)
            damages = _damages(port, models, versions[0], flags.damages)
    (HERE / "api_faults.md").write_text(page(swaps, damages), encoding="utf-8")
    return int(not (_is_whole(swaps) and _is_whole(damages)))


def _is_whole(case: dict[str, Any]) -> bool:
    return set(case["load"]) == {200} and case["as_wanted"] == case["tried"]


def _two_versions(models: Path) -> tuple[str, str]:
    """Return the promoted version and another one, a copy of it made a second later."""
    version = json.loads((models / "promoted.json").read_text(encoding="utf-8"))["instant"]
    other = f"20990101T000000Z-{version[-8:]}"
    _copied(models, version, other)
    return version, other


def _copied(models: Path, version: str, other: str) -> Path:
    folder = models / "instant" / other
    shutil.copytree(models / "instant" / version, folder)
    _edited(folder, lambda manifest: manifest.update(version=other))
    return folder


def _edited(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")


def _promote(port: int, version: str) -> tuple[int, dict[str, Any]]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    client.request("POST", f"/models/{version}/promote", headers={"X-API-KEY": KEY})
    answer = client.getresponse()
    return answer.status, json.loads(answer.read())


def _swaps(port: int, versions: tuple[str, str], count: int) -> dict[str, Any]:
    began_s, done = time.monotonic(), 0
    with Load(port) as load:
        for turn in range(count):
            wanted = versions[(turn + 1) % 2]
            status, body = _promote(port, wanted)
            done += status == http.client.OK and body["serving"] == wanted
    say(f"  {done} of {count} swaps, {dict(load.statuses)}")
    return _case(count, done, load, time.monotonic() - began_s)


def _case(tried: int, as_wanted: int, load: Load, took_s: float) -> dict[str, Any]:
    return {
        "tried": tried,
        "as_wanted": as_wanted,
        "load": dict(load.statuses),
        "slowest_s": load.slowest_s,
        "took_s": took_s,
    }


def _flip(folder: Path, rng: random.Random) -> None:
    path = folder / rng.choice(["model.onnx", "model.pkl"])
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def _cut(folder: Path, rng: random.Random) -> None:
    path = folder / rng.choice(["model.onnx", "model.pkl", "manifest.json"])
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(len(content) - 2)])


def _remove(folder: Path, rng: random.Random) -> None:
    (folder / rng.choice(["model.onnx", "model.pkl", "manifest.json"])).unlink()


def _forget(folder: Path, rng: random.Random) -> None:
    _edited(folder, lambda manifest: manifest.pop(rng.choice(sorted(manifest))))


def _lie(folder: Path, rng: random.Random) -> None:
    def change(manifest: dict[str, Any]) -> None:
        canary = rng.choice(manifest["canaries"])
        canary["probability"] = abs(canary["probability"] - rng.uniform(1e-5, 1))

    _edited(folder, change)


def _mix(folder: Path, rng: random.Random) -> None:
    """Put two features in each other's place."""

    def change(manifest: dict[str, Any]) -> None:
        first, second = rng.sample(range(4), 2)
        names = manifest["features"]
        names[first]["name"] = names[second]["name"]

    _edited(folder, change)


DAMAGES: Final = {
    "one bit flipped": _flip,
    "cut short": _cut,
    "a file removed": _remove,
    "a part of the manifest removed": _forget,
    "a canary's answer changed": _lie,
    "a feature named twice": _mix,
}


def _damages(port: int, models: Path, version: str, count: int) -> dict[str, Any]:
    rng = random.Random(SEED)  # noqa: S311  # which byte is flipped is no secret
    began_s, refused, kinds = time.monotonic(), 0, Counter[str]()
    serving = _promote(port, version)[1]["serving"]
    with Load(port) as load:
        for turn in range(count):
            name, damage = list(DAMAGES.items())[turn % len(DAMAGES)]
            other = f"20990102T{turn:06d}Z-{version[-8:]}"
            damage(_copied(models, version, other), rng)
            status, body = _promote(port, other)
            is_refused = status == http.client.CONFLICT and other in body["message"]
            kinds[name] += is_refused
            refused += is_refused and _served(port) == serving
    say(f"  {refused} of {count} refused, {dict(load.statuses)}")
    case = _case(count, refused, load, time.monotonic() - began_s)
    return case | {"kinds": dict(kinds)}


def _served(port: int) -> str:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    client.request("POST", "/predict", READING, HEADERS)
    return str(json.loads(client.getresponse().read())["model_version"])


def page(swaps: dict[str, Any], damages: dict[str, Any]) -> str:
    """Write the figures as a page."""
    kinds = ", ".join(f"{name}: {count}" for name, count in damages["kinds"].items())
    return f"""# Models swapped and damaged under load

Made by `python docs/bench/api_faults.py` on {date.today():%Y-%m-%d}.
{machine(("Flask", "granian", "onnxruntime"))}

{CLIENTS} clients ask `/predict` without a pause, each on a connection of its own, while another one
promotes models through `POST /models/<version>/promote`. The API is `api/api.py` with its default
settings.

| case | tried | as wanted | answers of `/predict` meanwhile | slowest answer, s | took, s |
| --- | --- | --- | --- | --- | --- |
{_line("a good bundle takes over", swaps)}
{_line("a damaged bundle is refused (409), the last good one serves on", damages)}

Refused by kind of damage: {kinds}. Which byte and which part is drawn with the seed {SEED}.
"""


def _line(name: str, case: dict[str, Any]) -> str:
    answers = ", ".join(f"{status}: {count:,}" for status, count in case["load"].items())
    return (
        f"| {name} | {case['tried']:,} | {case['as_wanted']:,} | {answers} "
        f"| {case['slowest_s']:.2f} | {case['took_s']:.0f} |"
    )


if __name__ == "__main__":
    sys.exit(main())
