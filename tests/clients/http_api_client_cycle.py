"""Runs one tip-aspirate-dispense-discard cycle with the unchanged PyPI package opentrons-http-api-client.

The robot is at TINCTURE_ROBOT_HOST and TINCTURE_ROBOT_PORT. Exits non-zero when what physically happened, as the
emulator's ledger tells it, isn't what was asked.
"""

import ot_api

from ledger import Ledger, robot


def load(name, slot, namespace="opentrons", version=1):
    answer = ot_api.labware.add(load_name=name, namespace=namespace, version=version, ot_location=slot, labware_id=name)
    return answer["data"]["result"]["labwareId"]


def vials():
    """The lab's six vials as a custom definition."""
    names = [f"{row}{column}" for column in (1, 2, 3) for row in "AB"]
    well = {"depth": 58, "totalLiquidVolume": 15000, "shape": "circular", "diameter": 20, "z": 3}
    place = lambda name: {"x": 24 + 39 * (int(name[1]) - 1), "y": 62.48 if name[0] == "A" else 23.48}
    return {
        "ordering": [names[0:2], names[2:4], names[4:6]],
        "brand": {"brand": "AC", "brandId": []},
        "metadata": {"displayName": "vials", "displayCategory": "tubeRack", "displayVolumeUnits": "µL", "tags": []},
        "dimensions": {"xDimension": 127.76, "yDimension": 85.48, "zDimension": 61},
        "wells": {name: well | place(name) for name in names},
        "groups": [{"metadata": {}, "wells": names}],
        "parameters": {
            "format": "irregular",
            "quirks": [],
            "isTiprack": False,
            "isMagneticModuleCompatible": False,
            "loadName": "ac_6_tuberack_15000ul",
        },
        "namespace": "custom_beta",
        "version": 1,
        "schemaVersion": 2,
        "cornerOffsetFromSlot": {"x": 0, "y": 0, "z": 0},
    }


host, port = robot()
ledger = Ledger(host, port)
ot_api.set_host(host)
ot_api.set_port(port)
assert ot_api.health.get()["api_version"] == "8.1.0"

ot_api.set_run(ot_api.runs.create())
left, right = ot_api.lh.add_mounted_pipettes()
pipette = next(found for found in (right, left) if found and found["name"] == "p300_single_gen2")["pipetteId"]
ot_api.health.home()

tips = load("opentrons_96_tiprack_300ul", 9)
plate = load("corning_96_wellplate_360ul_flat", 1, version=2)
ot_api.labware.define(vials())
sources = load("ac_6_tuberack_15000ul", 3, namespace="custom_beta")

ot_api.lh.pick_up_tip(tips, "D1", pipette, offset_z=59.3)
ot_api.lh.aspirate(sources, "B1", 120, 92.86, pipette, offset_z=2)
ot_api.lh.dispense(plate, "C4", 120, 92.86, pipette, offset_z=8)
ot_api.lh.move_to_addressable_area_for_drop_tip(pipette)
ot_api.lh.drop_tip_in_place(pipette)

ledger.expect_cycle(tip="D1", dye="red", well="C4", volume_ul=120)
print("opentrons-http-api-client: a tip, an aspiration, a dispense and a discard, as asked")
