"""The engine of the real robot-server 8.1.0, alone: PyPI's `opentrons` 8.1.0 on its simulated OT-2, called as the server calls it.

The package `robot-server` isn't on PyPI; what it hands every command, action, offset and definition to is. So this tells for one
request what the server would: the status, the errors' ids, and how the command ended.
"""

import asyncio

import pydantic
from opentrons.hardware_control import API
from opentrons.protocol_engine import Config, DeckType, LabwareOffsetCreate, commands, errors
from opentrons.protocol_engine.create_protocol_engine import create_protocol_engine
from opentrons.protocol_engine.error_recovery_policy import never_recover
from opentrons.protocol_engine.types import PostRunHardwareState
from opentrons.protocol_runner import RunOrchestrator
from opentrons.types import Mount
from opentrons_shared_data.labware.labware_definition import LabwareDefinition

# The deck as `GET /deck_configuration` of an OT-2 has it.
DECK = [(f"cutout{slot}", "singleStandardSlot", None) for slot in range(1, 12)] + [("cutout12", "fixedTrashSlot", None)]
# How long a command may take before the answer is "running", s. As clients do, the server is always told one.
PATIENCE = 5


class Body(pydantic.BaseModel):
    """A request's body, as the server reads it."""

    data: commands.CommandCreate


class OffsetBody(pydantic.BaseModel):
    data: LabwareOffsetCreate


class DefinitionBody(pydantic.BaseModel):
    data: LabwareDefinition


def refused(status, *ids):
    return {"status": status, "errors": list(ids)}


class Engine:
    """One simulated OT-2 and its current run."""

    @classmethod
    async def start(cls, left, right):
        """Of a robot with these pipettes: a model, as `p300_single_v2.0`, or None."""
        attached = {
            mount: {"model": model, "id": f"{mount.name.lower()} pipette"}
            for mount, model in ((Mount.LEFT, left), (Mount.RIGHT, right))
            if model
        }
        self = cls()
        self._hardware = await API.build_hardware_simulator(attached_instruments=attached)
        await self._hardware.home()
        self._run = None
        self._playing = None
        return self

    async def new_run(self):
        """`POST /runs`, with whatever run there was put aside."""
        if self._run is not None:
            if not self._run.get_is_okay_to_clear():
                return refused(409, "RunAlreadyActive")
            await self._run.finish(
                drop_tips_after_run=False,
                set_run_status=False,
                post_run_hardware_state=PostRunHardwareState.STAY_ENGAGED_IN_PLACE,
            )
        engine = await create_protocol_engine(
            hardware_api=self._hardware,
            config=Config(robot_type="OT-2 Standard", deck_type=DeckType.OT2_STANDARD, block_on_door_open=False),
            error_recovery_policy=never_recover,
            load_fixed_trash=False,
            deck_configuration=DECK,
        )
        self._run = RunOrchestrator.build_orchestrator(
            run_id="run", protocol_engine=engine, hardware_api=self._hardware
        )
        self._run.prepare()
        self._playing = None
        return {"status": 201}

    async def command(self, body):
        """`POST /runs/{id}/commands?waitUntilComplete=true`."""
        try:
            asked = Body.parse_obj(body).data
        except pydantic.ValidationError as error:
            return refused(422, *("InvalidRequest" for _ in error.errors()))
        asked = asked.copy(update={"intent": asked.intent or commands.CommandIntent.SETUP})
        waits = asked.intent == commands.CommandIntent.SETUP
        try:
            added = await asyncio.wait_for(
                self._run.add_command_and_wait_for_interval(asked, wait_until_complete=waits, timeout=PATIENCE * 1000),
                PATIENCE + 10,
            )
        except errors.SetupCommandNotAllowedError:
            return refused(409, "SetupCommandNotAllowed")
        except errors.RunStoppedError:
            return refused(409, "RunStopped")
        except errors.CommandNotAllowedError:
            return refused(400, "CommandNotAllowed")
        except errors.ProtocolEngineError:
            return refused(500, "UnexpectedError")
        return {"status": 201, "command": self._run.get_command(added.id).dict(by_alias=True, exclude_none=True)}

    async def act(self, action):
        """`POST /runs/{id}/actions`."""
        try:
            if action == "play" and self._run.run_has_started():
                self._run.play()
            elif action == "play":
                self._playing = asyncio.create_task(self._run.run(deck_configuration=DECK))
            elif action == "pause":
                self._run.pause()
            elif action == "stop":
                # Beside the request, as the server does: what it raises is nobody's.
                self._stopping = asyncio.create_task(self._run.stop())
            else:
                self._run.resume_from_recovery()
        except errors.ProtocolEngineError:
            return refused(409, "RunActionNotAllowed")
        return {"status": 201}

    async def offset(self, body):
        """`POST /runs/{id}/labware_offsets`."""
        try:
            asked = OffsetBody.parse_obj(body).data
        except pydantic.ValidationError as error:
            return refused(422, *("InvalidRequest" for _ in error.errors()))
        return {"status": 201, "offset": self._run.add_labware_offset(asked).dict(exclude_none=True)}

    async def define(self, body):
        """`POST /runs/{id}/labware_definitions`."""
        try:
            asked = DefinitionBody.parse_obj(body).data
        except pydantic.ValidationError as error:
            return refused(422, *("InvalidRequest" for _ in error.errors()))
        return {"status": 201, "uri": self._run.add_labware_definition(asked)}

    def status(self):
        """The run's, as `GET /runs/{id}` tells it."""
        return self._run.get_run_status().value

    def ended(self):
        """How every command of the run stands."""
        return [
            (command.commandType, command.status.value, command.error.errorType if command.error else None)
            for command in self._run.get_all_commands()
        ]
