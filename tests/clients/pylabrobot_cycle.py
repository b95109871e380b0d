"""Runs one tip-aspirate-dispense-discard cycle with unchanged PyLabRobot.

The robot is at TINCTURE_ROBOT_HOST and TINCTURE_ROBOT_PORT and has a pipette on its left mount, for PyLabRobot counts
pipettes but takes channel 0 for the left one: a p300 there, or a p20 there and a p300 on the right. Exits non-zero when
what physically happened, as the emulator's ledger tells it, isn't what was asked.
"""

import asyncio

from pylabrobot.liquid_handling import LiquidHandler
from pylabrobot.liquid_handling.backends.opentrons_backend import OpentronsOT2Backend
from pylabrobot.resources import (
    Container,
    Coordinate,
    cor_96_wellplate_360uL_Fb,
    Resource,
    Tip,
    TipRack,
    TipSpot,
    create_ordered_items_2d,
)
from pylabrobot.resources.opentrons import OTDeck

from ledger import Ledger, robot


def tip_rack():
    """Opentrons' rack of 300 µL tips. PyLabRobot would fetch its measures from the Internet; tests don't."""
    size = 3.698

    def tip(name):
        return Tip(name=name, has_filter=False, total_tip_length=59.3, maximal_volume=300, fitting_depth=8.2)

    first = Coordinate(14.38 - size / 2, 74.24 - 7 * 9 - size / 2, 5.39)
    spots = create_ordered_items_2d(
        TipSpot,
        num_items_x=12,
        num_items_y=8,
        dx=first.x,
        dy=first.y,
        dz=first.z,
        item_dx=9,
        item_dy=9,
        size_x=size,
        size_y=size,
        make_tip=tip,
    )
    rack = TipRack("tips", size_x=127.76, size_y=85.48, size_z=64.49, ordered_items=spots)
    rack.fill()
    return rack


def red_vial():
    """The lab's rack of vials, of which only B1, the red one, matters here."""
    rack = Resource("vials", size_x=127.76, size_y=85.48, size_z=61)
    vial = Container("red", size_x=20, size_y=20, size_z=58, material_z_thickness=0, max_volume=15_000)
    rack.assign_child_resource(vial, location=Coordinate(24 - 10, 23.48 - 10, 3))
    return rack, vial


async def main():
    host, port = robot()
    ledger = Ledger(host, port)
    deck = OTDeck()
    handler = LiquidHandler(backend=OpentronsOT2Backend(host=host, port=port), deck=deck)
    await handler.setup()
    tips = tip_rack()
    plate = cor_96_wellplate_360uL_Fb("plate")
    rack, vial = red_vial()
    deck.assign_child_at_slot(plate, 1)
    deck.assign_child_at_slot(rack, 3)
    deck.assign_child_at_slot(tips, 9)

    spot = tips.get_item("E1")
    channels = [next(channel for channel in (0, 1) if handler.backend.can_pick_up_tip(channel, spot.get_tip()))]
    await handler.pick_up_tips([spot], use_channels=channels)
    await handler.aspirate([vial], vols=[100], liquid_height=[2], use_channels=channels)
    await handler.dispense(plate["D5"], vols=[100], liquid_height=[8], use_channels=channels)
    await handler.discard_tips(use_channels=channels)
    await handler.stop()

    ledger.expect_cycle(tip="E1", dye="red", well="D5", volume_ul=100)
    print("PyLabRobot: a tip, an aspiration, a dispense and a discard, as asked")


asyncio.run(main())
