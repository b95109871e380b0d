"""Runs clients of the OT-2's HTTP API that nobody here had in mind against the emulator, unchanged, each through all it can do.

    tincture emulator --listen 127.0.0.77:31950 --sensor-listen 127.0.0.77:31951 --speed 1000000 --opentrons VENV/bin/python
    pip install -r strangers.txt        # Python 3.12 or later, for one of them
    TINCTURE_ROBOT_HOST=127.0.0.77 python strangers.py

Several take no port, so the robot must be at 31950; an address of its own leaves room for another. Exits non-zero when a client
fails, or when what physically happened, as the emulator's ledger tells it, isn't what it asked for.
"""

import tempfile
import time
import traceback
import urllib.request

from ledger import Ledger, robot

HOST, PORT = robot()
VIALS = "opentrons_10_tuberack_falcon_4x50ml_6x15ml_conical"
PROTOCOL = """
metadata = {"protocolName": "one drop"}
requirements = {"robotType": "OT-2", "apiLevel": "2.20"}


def run(protocol):
    tips = protocol.load_labware("opentrons_96_tiprack_300ul", "9")
    plate = protocol.load_labware("corning_96_wellplate_360ul_flat", "1")
    pipette = protocol.load_instrument("p300_single_gen2", "right", tip_racks=[tips])
    pipette.pick_up_tip(tips["H1"])
    pipette.aspirate(50, plate["A1"])
    pipette.dispense(50, plate["A2"])
    pipette.drop_tip()
"""


def kinds(ledger):
    return [entry["kind"] for entry in ledger.entries() if entry["kind"] not in ("home", "labware_placed")]


def openot2():
    from openot2.client import OT2Client

    ledger, client = Ledger(HOST, PORT), OT2Client(HOST, PORT)
    client.create_run()
    client.load_pipette("p300_single_gen2", "right")
    tips = client.load_labware("opentrons_96_tiprack_300ul", "9")
    plate = client.load_labware("corning_96_wellplate_360ul_flat", "1", version=2)
    client.home()
    client.pick_up_tip(tips, "A1")
    client.move_to_well(plate, "B1")
    client.aspirate(30, plate, "B1", (0, 0, -9))
    client.dispense(30, plate, "B2")
    client.blow_out(plate, "B2")
    client.drop_tip_in_trash()
    assert kinds(ledger)[-1] == "drop_tip", kinds(ledger)
    again = OT2Client(HOST, PORT)
    assert again.reconnect_last_run() == client.run_id and again.pipette_id == client.pipette_id
    assert again.labware_by_slot == client.labware_by_slot, again.labware_by_slot


def opentrons_http_api_wrapper():
    from OpentronsHTTPAPIWrapper.opentronsHTTPAPI_clientBuilder import opentronsClient

    ledger, client = Ledger(HOST, PORT), opentronsClient(HOST)
    tips = client.loadLabware(9, "opentrons_96_tiprack_300ul")
    plate = client.loadLabware(1, "corning_96_wellplate_360ul_flat", intVersion=2)
    client.loadPipette("p300_single_gen2", "right")
    client.homeRobot()
    client.lights(True)
    client.pickUpTip(tips, "p300_single_gen2", strWellName="B1")
    client.moveToWell(plate, "A1", "p300_single_gen2")
    client.aspirate(plate, "A1", "p300_single_gen2", 40)
    client.dispense(plate, "A2", "p300_single_gen2", 40)
    client.blowout(plate, "A2", "p300_single_gen2")
    client.dropTip("p300_single_gen2")
    done = kinds(ledger)
    assert done[0] == "pick_up_tip" and done[-1] == "drop_tip", done


def opentrons_http_api():
    from opentrons_http_api.robot_client import RobotClient

    client = RobotClient(HOST)
    assert client.health().api_version
    client.identify(1)
    for on in (True, False):
        client.set_lights(on)
        assert client.lights() is on
    assert client.settings() and client.robot_settings()
    client.set_setting("disableHomeOnBoot", True)
    assert next(one for one in client.settings() if one.id == "disableHomeOnBoot").value is True
    # No protocols: since 8.0 robot-server answers with a `protocolKind`, which it can't read.


def labmcp():
    from labmcp_opentrons.driver import HttpxBackend, OpentronsRobot

    driver = OpentronsRobot(HttpxBackend(f"http://{HOST}:{PORT}"), poll_interval_s=0.1)
    assert driver.health() and driver.identify()["model"]
    driver.set_lights(True)
    assert driver.lights_on() and driver.door_status()["status"] == "closed"
    assert driver.estop_status() is None, "an OT-2 has none"
    assert len(driver.instruments()) == 2 and driver.modules() == []
    uploaded = driver.upload_protocol([("labmcp.py", PROTOCOL.encode())])
    protocol, analysis = driver.wait_for_analysis(uploaded["id"], 60)
    assert analysis["status"] == "completed" and not analysis["errors"], analysis["errors"]
    run = driver.create_run(protocol["id"])
    driver.run_action(run["id"], "play")
    wait(lambda: driver.run(run["id"])["status"] == "succeeded")
    assert driver.run_commands(run["id"])["meta"]["totalLength"] >= 6
    assert run["id"] in [one["id"] for one in driver.runs()[0]]
    driver.home()


def run_protocol():
    from run_protocol import main

    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(PROTOCOL)
        file.flush()
        ledger = Ledger(HOST, PORT)
        main.run_protocol(HOST, file.name)
    assert "drop_tip" in kinds(ledger), kinds(ledger)


def new_tips():
    request = urllib.request.Request(f"http://{HOST}:{PORT}/emulator/tips", method="POST", data=b"{}")
    urllib.request.urlopen(request, timeout=30).close()


def wait(until):
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.1)


def main():
    failed = []
    for client in (openot2, opentrons_http_api_wrapper, opentrons_http_api, labmcp, run_protocol):
        try:
            new_tips()
            client()
            print(f"{client.__name__}: fine")
        except Exception:
            traceback.print_exc()
            failed.append(client.__name__)
    raise SystemExit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
