"""What physically happened, as the emulator's ledger tells it."""

import json
import os
import urllib.request


def robot():
    """Host and port of the robot to test."""
    return os.environ.get("TINCTURE_ROBOT_HOST", "127.0.0.1"), int(os.environ.get("TINCTURE_ROBOT_PORT", "31950"))


class Ledger:
    """The ledger from now on."""

    def __init__(self, host, port):
        self._url = f"http://{host}:{port}/emulator/ledger"
        before = self._read("")
        self._after = before[-1]["sequence"] if before else 0

    def _read(self, query):
        with urllib.request.urlopen(self._url + query, timeout=30) as answer:
            return json.load(answer)["data"]

    def entries(self):
        return self._read(f"?after={self._after}")

    def expect_cycle(self, tip, dye, well, volume_ul):
        """One tip taken, one dye moved into one well of the plate, the tip thrown away, and nothing went wrong."""
        entries = self.entries()
        kinds = [entry["kind"] for entry in entries if entry["kind"] not in ("home", "labware_placed")]
        assert kinds == ["pick_up_tip", "aspirate", "dispense", "drop_tip"], (kinds, entries)
        done = {entry["kind"]: entry for entry in entries}
        assert (done["pick_up_tip"]["slot"], done["pick_up_tip"]["well"]) == (9, tip), done["pick_up_tip"]
        assert done["aspirate"]["dye"] == dye, done["aspirate"]
        for kind in ("aspirate", "dispense"):
            assert abs(done[kind]["volume_ul"] - volume_ul) < 0.1 * volume_ul, done[kind]
        assert (done["dispense"]["slot"], done["dispense"]["well"]) == (1, well), done["dispense"]
        assert done["drop_tip"]["slot"] == 12, done["drop_tip"]
