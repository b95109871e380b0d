"""Has Opentrons' analyser read every protocol of a folder, and prints what it makes of each as one JSON document.

    analyse.py FOLDER  →  {"name.py": {"errors": [...], "commands": [{"commandType": ..., "params": {...}}, ...], "analysis": {...}}, ...}

One process for all of them: to start one takes longer than to analyse ten.
"""

import json
import sys
import tempfile
from pathlib import Path

from opentrons.cli.analyze import analyze


def read(protocol: Path, output: Path) -> dict:
    try:
        analyze([f"--json-output={output}", str(protocol)], standalone_mode=False)
    except SystemExit:
        # How it ends; what it found is in the file.
        pass
    found = json.loads(output.read_text())
    commands = [{key: command.get(key) for key in ("commandType", "params", "error")} for command in found["commands"]]
    return {"errors": [error["detail"] for error in found["errors"]], "commands": commands, "analysis": found}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "analysis.json"
        protocols = sorted(path for path in Path(sys.argv[1]).iterdir() if path.suffix in (".py", ".json"))
        json.dump({path.name: read(path, output) for path in protocols}, sys.stdout)


if __name__ == "__main__":
    main()
