"""Does with Prefect's own Python client what a person's program would: one request a line of JSON, one answer a line."""

import json
import sys
from datetime import datetime, timedelta, timezone

from prefect.client.orchestration import get_client
from prefect.states import Cancelling, Paused, Scheduled


def do(client, asked):
    if asked["do"] == "run":
        deployment = client.read_deployment_by_name(f"tincture-experiment/{asked['deployment']}")
        at = datetime.now(timezone.utc) + timedelta(seconds=asked.get("in_seconds", 0))
        run = client.create_flow_run_from_deployment(
            deployment.id, parameters=asked["parameters"], state=Scheduled(scheduled_time=at)
        )
        return str(run.id)
    if asked["do"] == "pause":
        return client.set_flow_run_state(asked["run"], Paused(timeout_seconds=600)).status.value
    if asked["do"] == "cancel":
        return client.set_flow_run_state(asked["run"], Cancelling()).status.value
    if asked["do"] == "resume":
        return client.resume_flow_run(asked["run"]).status.value
    raise ValueError(asked)


with get_client(sync_client=True) as client:
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(do(client, json.loads(line))), flush=True)
