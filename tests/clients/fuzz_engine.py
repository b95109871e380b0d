"""Thousands of random calls to the emulator and to the engine of the real robot-server 8.1.0 (engine.py), side by side.

    python fuzz_engine.py [--sequences 200] [--length 40] [--seed 1] [--only SEQUENCE] [-v]

The emulator is at TINCTURE_ROBOT_HOST and TINCTURE_ROBOT_PORT, as `tincture emulator --speed 1000000` makes it, with a p300 on both
mounts or with `--with-p20`. Each sequence is a run of its own, and the same for the same seed. Exits non-zero when a status, an error's
id, how a command ended, or a number of its result differs; tells each kind of difference once, with the calls that led to it.
"""

import argparse
import asyncio
import collections
import copy
import json
import logging
import random
import re
import urllib.error
import urllib.request

from engine import Engine, PATIENCE
from ledger import robot

HOST, PORT = robot()
UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-")
# How far two numbers may be apart, mm or µL.
CLOSE = 1e-3


# ── the emulator ─────────────────────────────────────────────────────────────────────────────────────────────────────


def ask(method, path, body=None):
    request = urllib.request.Request(
        f"http://{HOST}:{PORT}{path}",
        method=method,
        headers={"Opentrons-Version": "*", "Content-Type": "application/json"},
        data=None if body is None else json.dumps(body).encode(),
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE + 30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)


def told(status, body, **more):
    if status >= 400:
        return {"status": status, "errors": [error["id"] for error in body["errors"]]}
    return {"status": status} | {name: body["data"] if at is None else body["data"][at] for name, at in more.items()}


class Emulator:
    def new_run(self):
        status, body = ask("POST", "/runs", {"data": {}})
        if status == 201:
            self._run = f"/runs/{body['data']['id']}"
        return told(status, body)

    def command(self, body):
        waits = body.get("data", {}).get("intent") not in ("protocol", "fixit")
        query = f"?waitUntilComplete={str(waits).lower()}&timeout={PATIENCE * 1000}"
        return told(*ask("POST", f"{self._run}/commands{query}", body), command=None)

    def act(self, action):
        return told(*ask("POST", f"{self._run}/actions", {"data": {"actionType": action}}))

    def offset(self, body):
        return told(*ask("POST", f"{self._run}/labware_offsets", body), offset=None)

    def define(self, body):
        return told(*ask("POST", f"{self._run}/labware_definitions", body), uri="definitionUri")

    def status(self):
        return ask("GET", self._run)[1]["data"]["status"]

    def ended(self):
        commands = ask("GET", f"{self._run}/commands?cursor=0&pageLength=1000")[1]["data"]
        return [(c["commandType"], c["status"], c.get("error", {}).get("errorType")) for c in commands]

    def pipettes(self):
        attached = ask("GET", "/instruments")[1]["data"]
        return {instrument["mount"]: instrument["instrumentModel"] for instrument in attached}


# ── what is asked ────────────────────────────────────────────────────────────────────────────────────────────────────

PLATES = [
    ("corning_96_wellplate_360ul_flat", 2),
    ("corning_24_wellplate_3.4ml_flat", 1),
    ("nest_12_reservoir_15ml", 1),
    ("nest_1_reservoir_195ml", 1),
    ("opentrons_10_tuberack_falcon_4x50ml_6x15ml_conical", 1),
    ("opentrons_24_aluminumblock_nest_1.5ml_snapcap", 1),
    ("biorad_96_wellplate_200ul_pcr", 2),
    ("agilent_1_reservoir_290ml", 1),
    ("opentrons_universal_flat_adapter", 1),
]
RACKS = [("opentrons_96_tiprack_300ul", 1), ("opentrons_96_tiprack_20ul", 1), ("opentrons_96_filtertiprack_200ul", 1)]
AREAS = ["1", "5", "11", "12", "fixedTrash", "shortFixedTrash", "movableTrashA3", "D1", "gripperWasteChute", "nowhere"]
# In place of a value, now and then.
STRANGE = [None, "", "x", -1, 0, 1e9, 3.5, True, [], {}, ["a"], "5"]


class Client:
    """A client that mostly knows what it does: it keeps in mind what it has loaded."""

    def __init__(self, dice, models):
        self._dice = dice
        self._models = models
        self._labware = []
        self._racks = []
        self._pipettes = []
        self._count = 0

    def one(self, *of):
        return self._dice.choice(of)

    def now_and_then(self, share):
        return self._dice.random() < share

    def name(self, kind):
        self._count += 1
        return f"{kind}{self._count}"

    def labware(self):
        return self.one(*self._labware, *self._racks) if self._labware + self._racks and not self.now_and_then(0.03) else "nothing"

    def vessel(self):
        return self.one(*self._labware) if self._labware and not self.now_and_then(0.08) else self.labware()

    def rack(self):
        return self.one(*self._racks) if self._racks and not self.now_and_then(0.05) else self.labware()

    def pipette(self):
        return self.one(*self._pipettes) if self._pipettes and not self.now_and_then(0.03) else "nothing"

    def well(self):
        return self.one("A1", "A1", "B1", "A2", "C2", "H12", "D6", "B3", "A1", "Z9" if self.now_and_then(0.1) else "A1")

    def number(self, low, high):
        return round(self._dice.uniform(low, high), self.one(0, 1, 2))

    def point(self, low, high):
        return {axis: self.number(low, high) for axis in "xyz"}

    def place(self, origins=("top", "bottom", "center")):
        """A well's place, or none."""
        where = {"labwareId": self.vessel(), "wellName": self.well()}
        if self.now_and_then(0.7):
            where["wellLocation"] = {"origin": self.one(*origins)}
            if self.now_and_then(0.7):
                where["wellLocation"]["offset"] = self.one(
                    {"z": self.number(-5, 5)}, {"x": 0, "y": 0, "z": self.number(-3, 60)}, self.point(-3, 3)
                )
        return where

    def movement(self):
        more = {}
        if self.now_and_then(0.15):
            more["minimumZHeight"] = self.number(0, 260)
        if self.now_and_then(0.1):
            more["forceDirect"] = self.one(True, False)
        if self.now_and_then(0.15):
            more["speed"] = self.number(-10, 400)
        return more

    def location(self):
        return self.one(
            *({"slotName": str(self._dice.randint(1, 11))} for _ in range(12)),
            {"slotName": self.one("12", "D1", "A3", "B2", "13")},
            {"labwareId": self.labware()},
            {"moduleId": "nothing"},
            {"addressableAreaName": self.one(*AREAS)},
            "offDeck",
        )

    # Each of these tells a command's type and parameters.

    def load_labware(self):
        name, version = self.one(*PLATES)
        asked = {"location": self.location(), "loadName": name, "namespace": "opentrons", "version": version}
        if self.now_and_then(0.9):
            asked["labwareId"] = self.name("labware")
            self._labware.append(asked["labwareId"])
        if self.now_and_then(0.05):
            asked[self.one("loadName", "namespace")] = "nobody"
        if self.now_and_then(0.05):
            asked["version"] = self.one(0, 9, "1", 1.5)
        if self.now_and_then(0.05) and self._labware:
            asked["labwareId"] = self.one(*self._labware)
        if self.now_and_then(0.1):
            asked["displayName"] = "mine"
        return "loadLabware", asked

    def load_rack(self):
        name, version = self.one(*RACKS)
        asked = {"location": self.location(), "loadName": name, "namespace": "opentrons", "version": version}
        asked["labwareId"] = self.name("rack")
        self._racks.append(asked["labwareId"])
        return "loadLabware", asked

    def load_pipette(self):
        mount = self.one("left", "right", "right")
        names = {"p300": "p300_single_gen2", "p20": "p20_single_gen2"}
        name = names[self._models[mount].split("_")[0]] if mount in self._models else "p300_single_gen2"
        if self.now_and_then(0.1):
            name, mount = self.one(
                ("p20_single_gen2", mount), ("p1000_single_gen2", mount), ("p300_single", mount), ("p10_single", mount),
                ("p50_single_flex", mount), ("p1000_96", "left"), (name, "extension"), ("p300_multi_gen2", mount),
            )
        asked = {"pipetteName": name, "mount": mount}
        if self.now_and_then(0.9):
            asked["pipetteId"] = self.name("pipette")
            self._pipettes.append(asked["pipetteId"])
        if self.now_and_then(0.05):
            asked["tipOverlapNotAfterVersion"] = self.one("v0", "v1", "v3", "0", "v-1")
        if self.now_and_then(0.05):
            asked["liquidPresenceDetection"] = self.one(True, False)
        return "loadPipette", asked

    def pick_up(self):
        return "pickUpTip", self.place() | {"labwareId": self.rack(), "pipetteId": self.pipette()}

    def drop(self):
        asked = self.place(("default", "top", "bottom", "center")) | {"labwareId": self.rack(), "pipetteId": self.pipette()}
        if self.now_and_then(0.2):
            asked["homeAfter"] = self.one(True, False)
        if self.now_and_then(0.2):
            asked["alternateDropLocation"] = self.one(True, False)
        return "dropTip", asked

    def drop_in_place(self):
        return "dropTipInPlace", {"pipetteId": self.pipette()}

    def transfer(self):
        volume = self.one(self.number(0, 50), self.number(0, 50), self.number(20, 320), 0, self.number(-1, 20))
        return {"volume": volume, "flowRate": self.one(92.86, 46.43, self.number(0, 300)), "pipetteId": self.pipette()}

    def aspirate(self):
        return "aspirate", self.place() | self.transfer()

    def aspirate_in_place(self):
        return "aspirateInPlace", self.transfer()

    def push(self):
        return {"pushOut": self.number(-1, 30)} if self.now_and_then(0.2) else {}

    def dispense(self):
        return "dispense", self.place() | self.transfer() | self.push()

    def dispense_in_place(self):
        return "dispenseInPlace", self.transfer() | self.push()

    def blow_out(self):
        return "blowout", self.place() | {"flowRate": self.one(92.86, self.number(-1, 300)), "pipetteId": self.pipette()}

    def blow_out_in_place(self):
        return "blowOutInPlace", {"flowRate": self.one(92.86, 0), "pipetteId": self.pipette()}

    def touch(self):
        asked = self.place() | {"pipetteId": self.pipette()}
        if self.now_and_then(0.3):
            asked["radius"] = self.number(-1, 2)
        if self.now_and_then(0.3):
            asked["speed"] = self.number(-1, 100)
        return "touchTip", asked

    def prepare(self):
        return "prepareToAspirate", {"pipetteId": self.pipette()}

    def configure_volume(self):
        return "configureForVolume", {"pipetteId": self.pipette(), "volume": self.number(-1, 350)}

    def configure_nozzles(self):
        how = self.one({"style": "ALL"}, {"style": "SINGLE", "primaryNozzle": "A1"}, {"style": "COLUMN", "primaryNozzle": "H12"},
                       {"style": "ROW"}, {"style": "odd"}, {})  # fmt: skip
        return "configureNozzleLayout", {"pipetteId": self.pipette(), "configurationParams": how}

    def move_to_well(self):
        return "moveToWell", self.place() | self.movement() | {"pipetteId": self.pipette()}

    def move_to_coordinates(self):
        to = {"x": self.number(0, 400), "y": self.number(0, 350), "z": self.number(0, 215)}
        if self.now_and_then(0.1):
            to = self.point(-500, 900)
        return "moveToCoordinates", {"coordinates": to, "pipetteId": self.pipette()} | self.movement()

    def move_relative(self):
        by = self.one(self.number(-20, 20), self.number(-20, 20), self.number(-600, 600))
        return "moveRelative", {"pipetteId": self.pipette(), "axis": self.one("x", "y", "z"), "distance": by}

    def area(self):
        asked = {"pipetteId": self.pipette(), "addressableAreaName": self.one(*AREAS)} | self.movement()
        if self.now_and_then(0.3):
            asked["offset"] = self.one(self.point(-5, 40), {"z": 5}, {"x": 0, "y": 0, "z": 0})
        return asked

    def move_to_area(self):
        more = {"stayAtHighestPossibleZ": self.one(True, False)} if self.now_and_then(0.3) else {}
        return "moveToAddressableArea", self.area() | more

    def move_to_drop(self):
        more = {"alternateDropLocation": self.one(True, False)} if self.now_and_then(0.3) else {}
        if self.now_and_then(0.2):
            more["ignoreTipConfiguration"] = self.one(True, False)
        return "moveToAddressableAreaForDropTip", self.area() | more

    def save_position(self):
        asked = {"pipetteId": self.pipette()}
        if self.now_and_then(0.3):
            asked["positionId"] = self.name("position")
        if self.now_and_then(0.3):
            asked["failOnNotHomed"] = self.one(True, False)
        return "savePosition", asked

    def home(self):
        axes = ["x", "y", "leftZ", "rightZ", "leftPlunger", "rightPlunger", "extensionZ"]
        more = {"axes": self._dice.sample(axes, self._dice.randint(0, 3))} if self.now_and_then(0.6) else {}
        if self.now_and_then(0.1):
            more["skipIfMountPositionOk"] = self.one("left", "right", "extension")
        return "home", more

    def retract(self):
        return "retractAxis", {"axis": self.one("x", "y", "leftZ", "rightZ", "leftPlunger", "extensionJaw")}

    def move_labware(self):
        strategy = self.one("manualMoveWithoutPause", "manualMoveWithoutPause", "usingGripper", "byHand")
        return "moveLabware", {"labwareId": self.labware(), "newLocation": self.location(), "strategy": strategy}

    def reload(self):
        return "reloadLabware", {"labwareId": self.labware()}

    def liquid(self):
        return "loadLiquid", {"liquidId": "water", "labwareId": self.vessel(), "volumeByWell": {self.well(): self.number(-1, 400)}}

    def tip_presence(self):
        more = {"expectedState": self.one("present", "absent", "unknown", "odd")}
        if self.now_and_then(0.3):
            more["followSingularSensor"] = self.one("primary", "odd")
        return self.one(("getTipPresence", {"pipetteId": self.pipette()}), ("verifyTipPresence", {"pipetteId": self.pipette()} | more))

    def probe(self):
        return self.one("liquidProbe", "tryLiquidProbe"), self.place() | {"pipetteId": self.pipette()}

    def remark(self):
        return self.one(
            ("comment", {"message": "hello"}),
            ("comment", {}),
            ("custom", {"any": [1, 2]}),
            ("waitForDuration", {"seconds": self.one(0, 0.01, -1), "message": "so"}),
            ("setRailLights", {"on": self.one(True, False, "yes", 2)}),
            ("setStatusBar", {"animation": self.one("idle", "confirm", "updating", "disco", "off", "odd")}),
            ("frobnicate", {}),
        )

    def other(self):
        return self.one(
            ("loadModule", {"model": self.one("temperatureModuleV2", "magneticBlockV1", "odd"), "location": {"slotName": self.one("1", "D1", "7")}}),
            ("temperatureModule/setTargetTemperature", {"moduleId": "nothing", "celsius": 20}),
            ("temperatureModule/deactivate", {"moduleId": "nothing"}),
            ("magneticModule/engage", {"moduleId": "nothing", "height": 3}),
            ("thermocycler/openLid", {"moduleId": "nothing"}),
            ("heaterShaker/setAndWaitForShakeSpeed", {"moduleId": "nothing", "rpm": 300}),
            ("heaterShaker/openLabwareLatch", {}),
            ("calibration/calibratePipette", {"mount": "left"}),
            ("calibration/calibrateGripper", {"jaw": "front"}),
            ("calibration/moveToMaintenancePosition", {"mount": self.one("left", "right")}),
            ("calibration/calibrateModule", {"mount": "left", "moduleId": "nothing", "labwareId": "nothing"}),
            ("unsafe/blowOutInPlace", {"pipetteId": self.pipette(), "flowRate": 3}),
            ("unsafe/dropTipInPlace", {"pipetteId": self.pipette()}),
            ("unsafe/engageAxes", {"axes": ["x"]}),
            ("unsafe/updatePositionEstimators", {"axes": ["x"]}),
        )  # fmt: skip

    KINDS = [
        (6, "load_labware"), (3, "load_rack"), (3, "load_pipette"), (10, "pick_up"), (4, "drop"), (3, "drop_in_place"),
        (10, "aspirate"), (4, "aspirate_in_place"), (8, "dispense"), (4, "dispense_in_place"), (4, "blow_out"),
        (3, "blow_out_in_place"), (4, "touch"), (3, "prepare"), (2, "configure_volume"), (1, "configure_nozzles"),
        (9, "move_to_well"), (8, "move_to_coordinates"), (5, "move_relative"), (4, "move_to_area"), (4, "move_to_drop"),
        (4, "save_position"), (4, "home"), (2, "retract"), (4, "move_labware"), (2, "reload"), (2, "liquid"),
        (2, "tip_presence"), (2, "probe"), (3, "remark"), (2, "other"),
    ]  # fmt: skip

    def command(self):
        """The body of a request for a command, now and then one that makes no sense."""
        weights, kinds = zip(*self.KINDS)
        kind, params = getattr(self, self._dice.choices(kinds, weights)[0])()
        body = {"data": {"commandType": kind, "params": params}}
        if self.now_and_then(0.5):
            body["data"]["intent"] = "setup"
        if self.now_and_then(0.1):
            body["data"]["key"] = self.one("mine", "", 7)
        if self.now_and_then(0.01):
            body["data"]["intent"] = self.one("fixit", "odd", 3)
        if self.now_and_then(0.06):
            self.spoil(body)
        return body

    def spoil(self, body):
        """One value of it is missing or another."""
        inside = [body["data"]["params"]]
        inside += [value for value in inside[0].values() if isinstance(value, dict)]
        inside += [value for part in inside[1:] for value in part.values() if isinstance(value, dict)]
        part = self.one(body["data"], *inside, *inside)
        if not part:
            return
        name = self.one(*part)
        if self.now_and_then(0.4):
            del part[name]
        else:
            part[name] = self.one(*STRANGE)

    def begin(self):
        """What a client does first, mostly."""
        steps = []
        if self.now_and_then(0.9):
            asked = self.load_pipette()
            steps.append({"data": {"commandType": asked[0], "params": asked[1]}})
        for load in self._dice.sample([self.load_rack, self.load_labware, self.load_labware], self._dice.randint(1, 3)):
            kind, params = load()
            params["location"] = {"slotName": str(self._dice.randint(1, 11))}
            steps.append({"data": {"commandType": kind, "params": params, "intent": "setup"}})
        return [("command", step) for step in steps]

    def setup(self, length):
        """A run of setup commands."""
        steps = self.begin()
        for _ in range(length):
            steps.append(self.offset() if self.now_and_then(0.03) else ("command", self.command()))
        return steps

    def played(self, length):
        """A run whose commands are queued, and played, paused and stopped."""
        steps = self.begin()
        for _ in range(length // 2):
            body = self.command()
            body["data"]["intent"] = "protocol"
            steps.append(("command", body))
        for action in self.one(["play"], ["play"], ["pause"], ["stop"], ["stop", "play"], ["resume-from-recovery"]):
            steps += [("act", action), ("settle", None)]
        for _ in range(4):
            after = self.command()
            after["data"]["intent"] = self.one("protocol", "setup")
            steps.append(self.one(("command", after), ("act", self.one("play", "pause", "stop", "resume-from-recovery"))))
            # What a run does between two requests is as fast as it is.
            steps.append(("settle", None))
        return steps

    def offset(self):
        where = {"slotName": self.one("1", "5", "D1", "12", "13")}
        if self.now_and_then(0.2):
            where["moduleModel"] = self.one("temperatureModuleV2", "odd")
        name, version = self.one(*PLATES)
        asked = {"definitionUri": f"opentrons/{name}/{version}", "location": where, "vector": self.point(-3, 3)}
        body = {"data": asked}
        if self.now_and_then(0.2):
            part = self.one(asked, where, asked["vector"])
            part[self.one(*part)] = self.one(*STRANGE)
        return "offset", body


# ── the comparison ───────────────────────────────────────────────────────────────────────────────────────────────────

# Of a command: what is told in other words, at another time, or under a name of its own; definitions are labware.py's to compare.
UNLIKE = {"id", "createdAt", "startedAt", "completedAt", "detail", "errorInfo", "wrappedErrors", "definition", "key", "notes"}


def differences(real, ours, at=""):
    """Every place where they differ."""
    if isinstance(real, dict) and isinstance(ours, dict):
        for name in sorted((real.keys() | ours.keys()) - UNLIKE):
            if real.get(name) is None and ours.get(name) is None:
                continue
            yield from differences(real.get(name), ours.get(name), f"{at}/{name}")
    elif isinstance(real, (list, tuple)) and isinstance(ours, (list, tuple)) and len(real) == len(ours):
        for index, (one, other) in enumerate(zip(real, ours)):
            yield from differences(one, other, f"{at}/{index}")
    elif isinstance(real, (int, float)) and isinstance(ours, (int, float)):
        if abs(real - ours) > CLOSE:
            yield at, real, ours
    elif isinstance(real, str) and isinstance(ours, str) and UUID.match(real) and UUID.match(ours):
        return
    elif real != ours:
        yield at, real, ours


def outcome(answer):
    """A status, the errors' ids, and how a command stands, in one line."""
    if "errors" in answer:
        return " ".join([str(answer["status"]), *answer["errors"]])
    command = answer.get("command") or {}
    error = command.get("error") or {}
    # Of an exception that isn't Opentrons' own, its class is the kind of error.
    detail = error.get("detail", "").split(":")[0] if error.get("errorType") == "PythonException" else ""
    said = [answer["status"], command.get("status"), error.get("errorType"), error.get("errorCode"), detail]
    return " ".join(str(word) for word in said if word)


def compare(real, ours):
    """Where two answers differ: in how it went, or else in what is told of it."""
    if "status" in real and outcome(real) != outcome(ours):
        return [("", outcome(real), outcome(ours))]
    return list(differences(real, ours))


def short(value):
    text = json.dumps(value, default=str)
    return text if len(text) < 200 else text[:200] + "…"


def kind_of(step, at, real, ours):
    """What differences of one cause have in common."""
    what, asked = step
    name = asked["data"].get("commandType") if what == "command" else asked if what == "act" else ""
    is_number = isinstance(real, (int, float)) and isinstance(ours, (int, float)) and not at.endswith("status")
    return (what, str(name), re.sub(r"\d+", "#", at), "number" if is_number else f"{short(real)} → {short(ours)}")


async def settle(engine, emulator):
    """Waits until both runs stand still, and tells how."""
    still = 0
    for _ in range(1000):
        await asyncio.sleep(0.01)
        moving = {"running", "finishing", "stop-requested"}
        still = 0 if {engine.status(), emulator.status()} & moving else still + 1
        if still == 3:
            break
    return [{"run": side.status(), "commands": side.ended()} for side in (engine, emulator)]


async def end(engine, emulator):
    """Leaves no run that the next one can't replace."""
    for side in (engine, emulator):
        if side.status() == "paused":
            # A run that was paused before its start is only helped by one.
            await maybe(side.act("play"))
        await maybe(side.act("stop"))
    await settle(engine, emulator)


async def maybe(doing):
    return await doing if asyncio.iscoroutine(doing) else doing


async def play(engine, emulator, steps):
    """Takes every step on both sides. Yields each step with what differs, and how many calls were made."""
    for step in [("new_run", None)] + steps:
        what, asked = step
        if what == "settle":
            real, ours = await settle(engine, emulator)
        elif what == "new_run":
            real, ours = await engine.new_run(), emulator.new_run()
        else:
            real, ours = await getattr(engine, what)(copy.deepcopy(asked)), getattr(emulator, what)(asked)
        real = json.loads(json.dumps(real, default=lambda value: getattr(value, "value", None) or str(value)))
        yield step, compare(real, ours)


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=int, default=200)
    parser.add_argument("--length", type=int, default=40, help="calls a sequence, about")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="only this sequence")
    parser.add_argument("-v", action="store_true", help="tell every call and every difference")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    emulator = Emulator()
    models = emulator.pipettes()
    engine = await Engine.start(models.get("left"), models.get("right"))
    kinds, calls = collections.defaultdict(list), 0
    for sequence in [asked.only] if asked.only is not None else range(asked.sequences):
        client = Client(random.Random(f"{asked.seed}/{sequence}"), models)
        steps = client.played(asked.length) if sequence % 4 == 3 else client.setup(asked.length)
        # Where the robot stands is the same for both.
        steps = [("command", {"data": {"commandType": "home", "params": {}}})] + steps
        done = []
        async for step, found in play(engine, emulator, steps):
            calls += 1
            done.append(step)
            if asked.v:
                print(short(step), *found, sep="\n    ")
            for at, real, ours in found:
                kinds[kind_of(step, at, real, ours)].append((sequence, len(done), step, at, real, ours))
            if found and not asked.v:
                # The rest would tell of what follows from it.
                break
        await end(engine, emulator)
    print(f"{calls} calls in {asked.sequences} sequences, {sum(map(len, kinds.values()))} differences of {len(kinds)} kinds")
    for kind, found in sorted(kinds.items(), key=lambda item: -len(item[1])):
        sequence, number, step, at, real, ours = min(found, key=lambda one: one[1])
        print(f"\n{len(found)}× {' '.join(kind)}\n  --only {sequence}, call {number}: {json.dumps(step)[:600]}\n  {at}: {short(real)} → {short(ours)}")
    raise SystemExit(1 if kinds else 0)


if __name__ == "__main__":
    asyncio.run(main())
