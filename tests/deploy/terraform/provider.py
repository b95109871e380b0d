#!/usr/bin/env python3
"""A provider that knows its schema and nothing else: the real terraform asks it for that, for a plan, and never for a change.

Terraform's plugin protocol, version 6, as far as `init`, `validate`, `plan` and `test` with mocks use it. The schema's file is $PROVIDER_SCHEMA.
"""
import json, os, tempfile, threading
from concurrent import futures
import grpc, msgpack
import provider_pb2 as wire

SCHEMA = json.load(open(os.environ["PROVIDER_SCHEMA"]))
NESTING = {"single": 1, "list": 2, "set": 3, "map": 4}
UNKNOWN = msgpack.ExtType(0, b"\0")
STOP = threading.Event()


def attribute(name: str, given: dict) -> wire.Schema.Attribute:
    made = wire.Schema.Attribute(name=name, required=given["required"], optional=given["optional"], computed=given["computed"])
    if "nested" in given:
        made.nested_type.nesting = NESTING[given["nested"]["nesting"]]
        made.nested_type.attributes.extend(attribute(*each) for each in sorted(given["nested"]["attributes"].items()))
    else:
        made.type = json.dumps(given["type"]).encode()
    return made


def block(given: dict) -> wire.Schema.Block:
    made = wire.Schema.Block()
    made.attributes.extend(attribute(*each) for each in sorted(given["attributes"].items()))
    for name, nested in sorted(given["block_types"].items()):
        made.block_types.append(wire.Schema.NestedBlock(
            type_name=name, block=block(nested["block"]), nesting=NESTING[nested["nesting"]], min_items=nested["min"], max_items=nested["max"]))
    return made


def schema(_):
    made = wire.SchemaResp(provider=wire.Schema(version=0, block=block(SCHEMA["provider"])))
    for name, given in SCHEMA["resource_schemas"].items():
        made.resource_schemas[name].CopyFrom(wire.Schema(version=0, block=block(given)))
    for name, given in SCHEMA["data_source_schemas"].items():
        made.data_source_schemas[name].CopyFrom(wire.Schema(version=0, block=block(given)))
    return made


def unpack(value) -> dict | None:
    return msgpack.unpackb(value.msgpack, strict_map_key=False, raw=False, ext_hook=msgpack.ExtType) if value.msgpack else None


def validate(kind: str):
    """Terraform leaves to the provider what is computed and was set all the same."""
    def check(asked):
        answer, given = wire.DiagResp(), unpack(asked.config)
        for name, known in SCHEMA[kind][asked.type_name]["attributes"].items():
            if not known["required"] and not known["optional"] and given.get(name) is not None:
                answer.diagnostics.append(wire.Diagnostic(
                    severity=1, summary="Value for unconfigurable attribute", detail=f"{asked.type_name}.{name} is computed by the provider"))
        return answer
    return check


def plan(asked):
    new = unpack(asked.proposed_new_state)
    if new is not None:
        for name, known in SCHEMA["resource_schemas"][asked.type_name]["attributes"].items():
            if known["computed"] and new.get(name) is None:
                new[name] = UNKNOWN
    return wire.PlanResp(planned_state=wire.DynamicValue(msgpack=msgpack.packb(new)), legacy_type_system=True)


def stop(_):
    STOP.set()
    return wire.Empty()


CALLS = {
    "tfplugin6.Provider": {
        "GetProviderSchema": (wire.Empty, schema),
        "ValidateProviderConfig": (wire.ValProvReq, lambda _: wire.ValProvResp()),
        "ValidateResourceConfig": (wire.ValResReq, validate("resource_schemas")),
        "ValidateDataResourceConfig": (wire.ValResReq, validate("data_source_schemas")),
        "ConfigureProvider": (wire.Empty, lambda _: wire.DiagResp()),
        "PlanResourceChange": (wire.PlanReq, plan),
        "ReadDataSource": (wire.ValResReq, lambda asked: wire.ReadDataResp(state=asked.config)),
        "StopProvider": (wire.Empty, lambda _: wire.Empty()),
    },
    "plugin.GRPCController": {"Shutdown": (wire.Empty, stop)},
}


def handler(request, answer):
    return grpc.unary_unary_rpc_method_handler(
        lambda asked, _: answer(asked), request_deserializer=request.FromString, response_serializer=lambda made: made.SerializeToString())


def main() -> None:
    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)])
    for service, calls in CALLS.items():
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: handler(*call) for name, call in calls.items()}),))
    with tempfile.TemporaryDirectory(prefix="tf") as folder:
        server.add_insecure_port(f"unix:{folder}/s")
        server.start()
        print(f"1|6|unix|{folder}/s|grpc", flush=True)
        STOP.wait()
        server.stop(0)


main()
