"""Holds every standard labware that the emulator can load against Opentrons' own library (PyPI, opentrons-shared-data).

The robot is at TINCTURE_ROBOT_HOST and TINCTURE_ROBOT_PORT. Exits non-zero when one is missing or a number differs.
"""

import json
import urllib.request
from importlib.metadata import distribution

from ledger import robot

# What isn't compared: links to makers' shops, catalogue numbers, how a Flex's gripper is steered, and how wells are
# grouped, which nothing depends on.
LEFT_OUT = {"brand", "groups", "gripperOffsets"}
# A run of the emulator keeps at most so many labware.
MOST_IN_A_RUN = 100

host, port = robot()


def ask(method, path, data=None):
    request = urllib.request.Request(
        f"http://{host}:{port}{path}",
        method=method,
        headers={"Opentrons-Version": "*"},
        data=None if data is None else json.dumps({"data": data}).encode(),
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["data"]


def library():
    """Every definition of schema 2 in the package, by load name and version."""
    files = distribution("opentrons-shared-data").files
    paths = [path for path in files if "/labware/definitions/2/" in str(path) and path.suffix == ".json"]
    for path in paths:
        definition = json.loads(path.read_text(encoding="utf-8"))
        yield definition["parameters"]["loadName"], definition["version"], definition


def differences(ours, theirs, at=""):
    """Every place where the two differ. What says nothing is the same as what isn't there."""
    if isinstance(theirs, dict) or isinstance(ours, dict):
        ours, theirs = ours or {}, theirs or {}
        for name in sorted(set(ours) | set(theirs)):
            if at or name not in LEFT_OUT:
                yield from differences(ours.get(name), theirs.get(name), f"{at}/{name}")
    elif isinstance(theirs, (int, float)) and isinstance(ours, (int, float)):
        if abs(ours - theirs) > 1e-6:
            yield f"{at} is {ours}, not {theirs}"
    elif (ours or None) != (theirs or None):
        yield f"{at} is {ours}, not {theirs}"


def load(run, name, version):
    command = {
        "commandType": "loadLabware",
        "params": {"location": "offDeck", "loadName": name, "namespace": "opentrons", "version": version},
        "intent": "setup",
    }
    done = ask("POST", f"/runs/{run}/commands?waitUntilComplete=true&timeout=20000", command)
    return done["result"]["definition"] if done["status"] == "succeeded" else None


wrong = []
count = 0
for name, version, theirs in library():
    if count % MOST_IN_A_RUN == 0:
        run = ask("POST", "/runs", {})["id"]
    count += 1
    ours = load(run, name, version)
    found = ["can't be loaded"] if ours is None else list(differences(ours, theirs))
    wrong += [f"{name}/{version}: {difference}" for difference in found[:3]]

assert count >= 100, f"the package holds only {count} definitions"
assert not wrong, "\n".join(wrong)
print(f"All {count} standard labware are the library's.")
