"""Play the piloting scenario of the user guide against a running API; exit 1 where it differs."""

import json
import sys
import urllib.request

KEY = "entreprise_secret_key_2026"
SCENARIO = [
    ((500, 5, 2, 45), 0),
    ((500, 5, 7, 85), 1),
    ((500, 5, 9, 95), 1),
    ((500, 5, 15, 120), 1),
]


def predict(api: str, reading: tuple[float, ...]) -> dict[str, object]:
    """POST one reading to `api` and return its JSON answer."""
    names = ("flow_rate", "pressure", "vibration", "temperature")
    body = {"loco_id": "LOCO_001", **dict(zip(names, reading, strict=True))}
    request = urllib.request.Request(  # noqa: S310 (the caller names a loopback http URL)
        f"{api}/predict",
        data=json.dumps(body).encode(),
        headers={"X-API-KEY": KEY, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return dict(json.load(answer))


if __name__ == "__main__":
    failed = False
    for reading, expected in SCENARIO:
        answer = predict(sys.argv[1], reading)
        failed |= answer["critical_risk"] != expected
        sys.stdout.write(f"{reading} -> {answer['critical_risk']} ({answer['risk_probability']})\n")
    sys.exit(failed)
