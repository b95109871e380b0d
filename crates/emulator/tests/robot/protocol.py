"""One dye into two wells, the second with a fresh tip."""

metadata = {"protocolName": "Two wells", "author": "Tincture"}
requirements = {"robotType": "OT-2", "apiLevel": "2.20"}


def run(protocol):
    tips = protocol.load_labware("opentrons_96_tiprack_300ul", 9)
    plate = protocol.load_labware("corning_96_wellplate_360ul_flat", 1)
    dyes = protocol.load_labware("nest_12_reservoir_15ml", 2)
    pipette = protocol.load_instrument("p300_single_gen2", "right", tip_racks=[tips])
    for well in ("A1", "B1"):
        pipette.pick_up_tip()
        pipette.aspirate(50, dyes["A1"])
        pipette.dispense(50, plate[well])
        pipette.drop_tip()
    protocol.comment("done")
