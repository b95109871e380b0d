"""Kubernetes: what kustomize renders, held against schemas, against itself (whatever names something names what is there) and against
what we ask of every pod.

    python manifests.py           everything
    python manifests.py wrong     … and that each file of wrong/kubernetes is refused, by the words that it says
"""
from __future__ import annotations
import copy, dataclasses, functools, json, pathlib, re, subprocess, sys
from collections.abc import Iterator
from typing import Any
import kubernetes_validate, yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
OVERLAYS = ROOT / "deploy/kubernetes/overlays"
# What GKE's channels have, oldest and newest, and one between.
VERSIONS = ["1.33", "1.35", "1.37"]
Object = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Lab:
    """What is applied to one cluster, and what somebody has put there by hand before."""
    name: str
    parts: list[str]
    secrets: frozenset[str] = frozenset()
    # Of deploy/terraform; none where the lab isn't in Google's cloud.
    environment: str | None = None


LABS = [
    Lab("dev", ["dev", "dev/migrate", "dev/robots/virtual-1"], environment="dev"),
    Lab("prod", ["prod", "prod/migrate"], environment="prod"),
    Lab("lab-edge", ["lab-edge"], secrets=frozenset({"worker", "tunnel"})),
]

# Kinds of Google's that no published schema has: the keys of their spec that we use and know. Anything else is a misspelling or is added here.
GOOGLES: dict[str, Any] = {
    "SecretProviderClass": {"provider": str, "parameters": {"secrets": str}},
    "ManagedCertificate": {"domains": [str]},
    "FrontendConfig": {"sslPolicy": str, "redirectToHttps": {"enabled": bool, "responseCodeName": str}},
    "BackendConfig": {
        "timeoutSec": int, "connectionDraining": {"drainingTimeoutSec": int}, "securityPolicy": {"name": str},
        "healthCheck": {"type": str, "requestPath": str, "port": int, "checkIntervalSec": int, "timeoutSec": int, "healthyThreshold": int, "unhealthyThreshold": int},
    },
    "PodMonitoring": {
        "selector": {"matchLabels": dict, "matchExpressions": [{"key": str, "operator": str, "values": [str]}]},
        "endpoints": [{"port": str, "path": str, "interval": str, "params": dict}],
    },
    "Rules": {"groups": [{"name": str, "interval": str, "rules": [{"record": str, "expr": str, "labels": dict}]}]},
}


def render(overlay: pathlib.Path) -> list[Object]:
    done = subprocess.run(["kubectl", "kustomize", str(overlay)], capture_output=True, text=True, timeout=60)
    if done.returncode != 0 or "Warning" in done.stderr:
        raise SystemExit(f"kubectl kustomize {overlay}: {done.stderr.strip()}")
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def called(each: Object) -> str:
    return f"{each['kind']} {each['metadata']['name']}"


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    return [each for each in objects if each["kind"] in kinds]


def names(objects: list[Object], kind: str) -> set[str]:
    return {each["metadata"]["name"] for each in of_kind(objects, kind)}


def workloads(objects: list[Object]) -> list[Object]:
    return of_kind(objects, "Deployment", "StatefulSet", "DaemonSet", "Job")


def pod(workload: Object) -> Object:
    return workload["spec"]["template"]["spec"]


def labels(workload: Object) -> dict[str, str]:
    return workload["spec"]["template"]["metadata"].get("labels", {})


def containers(workload: Object) -> list[Object]:
    return pod(workload).get("initContainers", []) + pod(workload)["containers"]


def matches(selector: Object, given: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {}).items()
    for rule in selector.get("matchExpressions", []):
        inside = given.get(rule["key"]) in rule.get("values", [])
        if not {"In": inside, "NotIn": not inside, "Exists": rule["key"] in given, "DoesNotExist": rule["key"] not in given}[rule["operator"]]:
            return False
    return all(given.get(key) == value for key, value in wanted)


def ports(workload: Object) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for each in containers(workload) for port in each.get("ports", [])}


# ---- schemas

def schema_problems(objects: list[Object]) -> Iterator[str]:
    for each in objects:
        if each["kind"] in GOOGLES:
            yield from shape_problems(called(each), each.get("spec", {}), GOOGLES[each["kind"]])
            continue
        for version in VERSIONS:
            yield from validated(json.dumps(each), version)


# Kept, since a wrong manifest is one among fifty that were looked at before.
@functools.cache
def validated(text: str, version: str) -> list[str]:
    each = json.loads(text)
    try:
        kubernetes_validate.validate(each, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{called(each)}: {'.'.join(map(str, error.path))}: {error.message[:200]} (Kubernetes {version})"]
    except kubernetes_validate.SchemaNotFoundError:
        return [f"{called(each)}: Kubernetes {version} knows no {each['apiVersion']} {each['kind']}"]
    return []


def shape_problems(where: str, given: Any, shape: Any) -> Iterator[str]:
    if isinstance(shape, type):
        if not isinstance(given, shape):
            yield f"{where}: {given!r} is no {shape.__name__}"
    elif isinstance(shape, list):
        if not isinstance(given, list):
            yield f"{where}: {given!r} is no list"
        else:
            for index, each in enumerate(given):
                yield from shape_problems(f"{where}.{index}", each, shape[0])
    elif not isinstance(given, dict):
        yield f"{where}: {given!r} is no object"
    else:
        for key, value in given.items():
            if key in shape:
                yield from shape_problems(f"{where}.{key}", value, shape[key])
            else:
                yield f"{where}: unknown field {key}"


# ---- whatever names something names what is there

def reference_problems(objects: list[Object], lab: Lab) -> Iterator[str]:
    seen: set[tuple[str | None, ...]] = set()
    for each in objects:
        key = (each["apiVersion"], each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"])
        if key in seen:
            yield f"{called(each)} is there twice"
        seen.add(key)
        if each["kind"] != "Namespace" and each["metadata"].get("namespace") != "tincture":
            yield f"{called(each)} is in no namespace of ours"
    for workload in workloads(objects):
        yield from pod_reference_problems(workload, objects, lab)
    yield from service_problems(objects)
    yield from ingress_problems(objects)
    yield from selector_problems(objects)
    yield from connection_problems(objects)


def pod_reference_problems(workload: Object, objects: list[Object], lab: Lab) -> Iterator[str]:
    who = called(workload)
    known = {
        "ConfigMap": names(objects, "ConfigMap"), "Secret": names(objects, "Secret") | lab.secrets,
        "SecretProviderClass": names(objects, "SecretProviderClass"), "ServiceAccount": names(objects, "ServiceAccount"),
    }
    wanted = [("ServiceAccount", pod(workload).get("serviceAccountName", "default"))]
    volumes = {volume["name"]: volume for volume in pod(workload).get("volumes", [])}
    for volume in volumes.values():
        if "configMap" in volume:
            wanted.append(("ConfigMap", volume["configMap"]["name"]))
        if "secret" in volume:
            wanted.append(("Secret", volume["secret"]["secretName"]))
        if "csi" in volume:
            wanted.append(("SecretProviderClass", volume["csi"]["volumeAttributes"]["secretProviderClass"]))
    mounted = set()
    for container in containers(workload):
        for source in container.get("envFrom", []):
            wanted += [("ConfigMap", source["configMapRef"]["name"])] if "configMapRef" in source else [("Secret", source["secretRef"]["name"])]
        for variable in container.get("env", []):
            origin = variable.get("valueFrom", {})
            wanted += [("ConfigMap", origin["configMapKeyRef"]["name"])] if "configMapKeyRef" in origin else []
            wanted += [("Secret", origin["secretKeyRef"]["name"])] if "secretKeyRef" in origin else []
        for mount in container.get("volumeMounts", []):
            mounted.add(mount["name"])
            if mount["name"] not in volumes:
                yield f"{who}: mounts the volume {mount['name']}, which isn't there"
            yield from file_problems(who, mount, volumes.get(mount["name"], {}), objects)
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            port = container.get(kind, {}).get("httpGet", {}).get("port")
            if isinstance(port, str) and port not in {each["name"] for each in container.get("ports", [])}:
                yield f"{who}: the {kind} asks the port {port}, which isn't there"
        declared = {variable["name"] for variable in container.get("env", [])}
        for used in re.findall(r"\$\((\w+)\)", " ".join(container.get("args", []) + container.get("command", []))):
            if used not in declared:
                yield f"{who}: an argument takes {used}, which isn't set"
    for unused in set(volumes) - mounted:
        yield f"{who}: nothing mounts the volume {unused}"
    for kind, name in wanted:
        if name not in known[kind]:
            yield f"{who}: {kind} {name} isn't there"
    if not matches(workload["spec"].get("selector", {}), labels(workload)):
        yield f"{who}: its selector doesn't find its own pods"


def file_problems(who: str, mount: Object, volume: Object, objects: list[Object]) -> Iterator[str]:
    name = volume.get("configMap", {}).get("name")
    for each in of_kind(objects, "ConfigMap"):
        if each["metadata"]["name"] == name and "subPath" in mount and mount["subPath"] not in each.get("data", {}):
            yield f"{who}: ConfigMap {name} has no {mount['subPath']}"


def service_problems(objects: list[Object]) -> Iterator[str]:
    for service in of_kind(objects, "Service"):
        behind = [each for each in workloads(objects) if matches({"matchLabels": service["spec"]["selector"]}, labels(each))]
        if not behind:
            yield f"{called(service)}: no pod is behind it"
        for port in service["spec"]["ports"]:
            for each in behind:
                if port["targetPort"] not in ports(each) and port["targetPort"] not in ports(each).values():
                    yield f"{called(service)}: {called(each)} has no port {port['targetPort']}"
        wanted = json.loads(service["metadata"].get("annotations", {}).get("cloud.google.com/backend-config", "{}"))
        for name in set(wanted.values()) - names(objects, "BackendConfig"):
            yield f"{called(service)}: BackendConfig {name} isn't there"


def ingress_problems(objects: list[Object]) -> Iterator[str]:
    for ingress in of_kind(objects, "Ingress"):
        annotations = ingress["metadata"].get("annotations", {})
        for annotation, kind in {"networking.gke.io/managed-certificates": "ManagedCertificate", "networking.gke.io/v1beta1.FrontendConfig": "FrontendConfig"}.items():
            if annotations.get(annotation) not in names(objects, kind):
                yield f"{called(ingress)}: {kind} {annotations.get(annotation)} isn't there"
        certified = {domain for each in of_kind(objects, "ManagedCertificate") for domain in each["spec"]["domains"]}
        for rule in ingress["spec"]["rules"]:
            if rule["host"] not in certified:
                yield f"{called(ingress)}: no certificate is for {rule['host']}"
            for path in rule["http"]["paths"]:
                wanted = path["backend"]["service"]
                offered = {(each["metadata"]["name"], port["name"]) for each in of_kind(objects, "Service") for port in each["spec"]["ports"]}
                if (wanted["name"], wanted["port"].get("name")) not in offered:
                    yield f"{called(ingress)}: Service {wanted['name']} has no port {wanted['port'].get('name')}"
    for each in of_kind(objects, "FrontendConfig"):
        if not each["spec"].get("redirectToHttps", {}).get("enabled"):
            yield f"{called(each)}: who comes without TLS isn't sent to it"


def selector_problems(objects: list[Object]) -> Iterator[str]:
    for each in of_kind(objects, "PodDisruptionBudget", "NetworkPolicy", "PodMonitoring"):
        selector = each["spec"].get("selector", each["spec"].get("podSelector"))
        behind = [workload for workload in workloads(objects) if matches(selector, labels(workload))]
        if not behind:
            yield f"{called(each)}: its selector finds no pod"
        for endpoint in each["spec"].get("endpoints", []):
            yield from (f"{called(each)}: {called(workload)} has no port {endpoint['port']}" for workload in behind if endpoint["port"] not in ports(workload))
    for scaler in of_kind(objects, "HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        if target["name"] not in names(objects, target["kind"]):
            yield f"{called(scaler)}: {target['kind']} {target['name']} isn't there"


def connection_problems(objects: list[Object]) -> Iterator[str]:
    """Both ends of a connection between pods must be let: what one may ask and the other doesn't hear is a fault."""
    policies = of_kind(objects, "NetworkPolicy")
    if not any(policy["spec"]["podSelector"] == {} and set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"} and not policy["spec"].get("ingress") and not policy["spec"].get("egress") for policy in policies):
        yield "no NetworkPolicy shuts everybody out who isn't let in"
    for policy in policies:
        for rule in policy["spec"].get("egress", []):
            for peer in rule["to"]:
                if "podSelector" not in peer or "namespaceSelector" in peer:
                    continue
                for asked in (each for each in workloads(objects) if matches(peer["podSelector"], labels(each))):
                    for port in rule["ports"]:
                        yield from one_connection(policy, asked, port["port"], objects)


def one_connection(policy: Object, asked: Object, port: int, objects: list[Object]) -> Iterator[str]:
    if port not in ports(asked).values():
        yield f"{called(policy)}: {called(asked)} has no port {port}"
    for asking in (each for each in workloads(objects) if matches(policy["spec"]["podSelector"], labels(each))):
        heard = any(
            matches(other["spec"]["podSelector"], labels(asked)) and "namespaceSelector" not in peer and matches(peer.get("podSelector", {"matchLabels": {"": ""}}), labels(asking)) and port in {each["port"] for each in rule["ports"]}
            for other in of_kind(objects, "NetworkPolicy") for rule in other["spec"].get("ingress", []) for peer in rule["from"])
        if not heard:
            yield f"{called(asking)} may ask {called(asked)} at {port}, which doesn't hear it: a NetworkPolicy for its side is missing"


# ---- what we ask of every pod

UNITS = {"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def quantity(text: str | int | float) -> float | None:
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(m|k|M|G|Ki|Mi|Gi)?", str(text))
    return float(found[1]) * UNITS[found[2] or ""] if found else None


def policy_problems(objects: list[Object]) -> Iterator[str]:
    scaled = {scaler["spec"]["scaleTargetRef"]["name"]: scaler["spec"] for scaler in of_kind(objects, "HorizontalPodAutoscaler")}
    for workload in workloads(objects):
        who, spec = called(workload), pod(workload)
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{who}: holds a token for Kubernetes, which it has no use for"
        if spec.get("serviceAccountName", "default") == "default":
            yield f"{who}: has no account of its own"
        for forbidden in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(forbidden):
                yield f"{who}: {forbidden}"
        for volume in spec.get("volumes", []):
            if "hostPath" in volume:
                yield f"{who}: hostPath {volume['hostPath']['path']}"
            if "emptyDir" in volume and quantity(volume["emptyDir"].get("sizeLimit", "?")) is None:
                yield f"{who}: the volume {volume['name']} has no sizeLimit"
        for container in containers(workload):
            yield from container_problems(f"{who}, {container['name']}", container, spec.get("securityContext", {}))
        if workload["kind"] == "Deployment":
            yield from deployment_problems(workload, scaled.get(workload["metadata"]["name"]), objects)
        if workload["kind"] == "Job" and not (workload["spec"].get("activeDeadlineSeconds") and "backoffLimit" in workload["spec"]):
            yield f"{who}: may run for ever"


def container_problems(who: str, container: Object, shared: Object) -> Iterator[str]:
    own = container.get("securityContext", {})
    of_both = {**shared, **own}
    if of_both.get("runAsNonRoot") is not True or not of_both.get("runAsUser"):
        yield f"{who}: may run as root"
    if of_both.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield f"{who}: no seccomp profile"
    if own.get("readOnlyRootFilesystem") is not True:
        yield f"{who}: its root file system can be written to"
    if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
        yield f"{who}: may get more rights than it has"
    if own.get("capabilities", {}) != {"drop": ["ALL"]}:
        yield f"{who}: keeps capabilities"
    yield from resource_problems(who, container.get("resources", {}))
    tag = re.search(r"(?:@sha256:[0-9a-f]{64}|:([\w.-]+))$", container["image"].split("/")[-1])
    if not tag or tag[1] in ("latest", "main", "stable"):
        yield f"{who}: the image {container['image']} isn't pinned"


def resource_problems(who: str, given: Object) -> Iterator[str]:
    for what in ("cpu", "memory", "ephemeral-storage"):
        request, limit = (given.get(kind, {}).get(what) for kind in ("requests", "limits"))
        if request is None or limit is None:
            yield f"{who}: no request or no limit of {what}"
            continue
        parsed = quantity(request), quantity(limit)
        if parsed[0] is None or parsed[1] is None:
            yield f"{who}: {request} or {limit} is no quantity of {what}"
        elif parsed[0] > parsed[1]:
            yield f"{who}: asks for more {what} than its limit"


def deployment_problems(workload: Object, scaler: Object | None, objects: list[Object]) -> Iterator[str]:
    who = called(workload)
    if scaler and "replicas" in workload["spec"]:
        yield f"{who}: says how many itself, which takes back what the autoscaler did"
    if scaler and scaler["minReplicas"] > scaler["maxReplicas"]:
        yield f"{who}: fewer at most than at least"
    replicas = scaler["minReplicas"] if scaler else workload["spec"].get("replicas", 1)
    budgets = [each for each in of_kind(objects, "PodDisruptionBudget") if matches(each["spec"]["selector"], labels(workload))]
    if replicas > 1 and len(budgets) != 1:
        yield f"{who}: {len(budgets)} disruption budgets"
    for container in pod(workload)["containers"]:
        for probe in ("livenessProbe", "readinessProbe"):
            if probe not in container:
                yield f"{who}, {container['name']}: no {probe}"
        if container.get("livenessProbe", {}).get("httpGet", {}).get("path") == "/readyz":
            yield f"{who}, {container['name']}: is killed when its database is away (livenessProbe asks /readyz)"
        pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if pod(workload).get("terminationGracePeriodSeconds", 30) < pause + 15:
            yield f"{who}: is killed before it has finished (terminationGracePeriodSeconds)"
    if labels(workload)["app.kubernetes.io/name"] in ("api", "door"):
        if not any("preStop" in container.get("lifecycle", {}) for container in pod(workload)["containers"]):
            yield f"{who}: ends while requests are still sent to it (preStop)"
        if workload["spec"].get("strategy", {}).get("rollingUpdate", {}).get("maxUnavailable") != 0:
            yield f"{who}: a rolling update takes one away before the next is there"


# ---- what is the same here and elsewhere in the repository

def settings() -> set[str]:
    """Every setting that the program knows, as a variable."""
    source = (ROOT / "crates/tincture/src/settings.rs").read_text()
    source = source[source.index("pub const KEYS"):source.index("\n];", source.index("pub const KEYS"))]
    return {"TINCTURE_" + name.upper() for name in re.findall(r'key\(\s*"(\w+)"', source)} | {"TINCTURE_CONFIG"}


def variable(text: str, name: str) -> str:
    found = re.search(rf'^\s*{name}\s*=\s*"([^"]*)"', text, re.M)
    if not found:
        raise SystemExit(f"no {name} in terraform.tfvars")
    return found[1]


def agreement_problems(objects: list[Object], lab: Lab) -> Iterator[str]:
    known = settings()
    for each in of_kind(objects, "ConfigMap"):
        yield from (f"{called(each)}: the program knows no {key}" for key in each.get("data", {}) if key.startswith("TINCTURE_") and key not in known)
    metrics = dict(re.findall(r"^\| `(tincture_\w+)` \| (\w+)", (ROOT / "docs/metrics.md").read_text(), re.M))
    for scaler in of_kind(objects, "HorizontalPodAutoscaler"):
        for metric in scaler["spec"]["metrics"]:
            if metric["type"] == "Pods":
                _, name, kind = metric["pods"]["metric"]["name"].split("|")
                if metrics.get(name) != kind:
                    yield f"{called(scaler)}: the program tells no {kind} {name}"
    left = re.findall(r"PROJECT|NAME-\w+|database\.invalid|192\.0\.2\.\d+|198\.51\.100\.\d+", json.dumps(objects))
    if lab.environment and left:
        yield f"not replaced: {', '.join(sorted(set(left)))}"
    if lab.environment:
        yield from environment_problems(objects, lab)


def environment_problems(objects: list[Object], lab: Lab) -> Iterator[str]:
    terraform = ROOT / "deploy/terraform"
    given = (terraform / f"environments/{lab.environment}/terraform.tfvars").read_text()
    said = yaml.safe_load((OVERLAYS / f"{lab.environment}/environment/environment.yaml").read_text())["data"]
    for name in ("project", "name", "host", "pods", "managed_services", "endpoints"):
        if said[name] != variable(given, name):
            yield f"{name} is {said[name]} in environment.yaml and {variable(given, name)} in terraform.tfvars"
    recorded = yaml.safe_load((ROOT / "deploy/prometheus/rules/recording.yml").read_text())["groups"]
    for rules in of_kind(objects, "Rules"):
        # Google wants each group's interval; Prometheus' own file has one for all.
        if [{key: value for key, value in group.items() if key != "interval"} for group in rules["spec"]["groups"]] != recorded:
            yield f"{called(rules)} isn't deploy/prometheus/rules/recording.yml"
    database = (terraform / "modules/database/main.tf").read_text()
    keys = set(re.findall(r'(?:\\n|\b)((?:database|documents)_\w+) = \\"', database))
    if len(keys) < 4 or any("TINCTURE_" + key.upper() not in settings() for key in keys):
        yield f"modules/database writes {sorted(keys)} into tincture.toml, which the program doesn't know"
    secrets = re.search(r"\n  secrets = \{(.*?)\n  \}", database, re.S)
    assert secrets, "modules/database/main.tf says which secret is whose"
    readers = dict(re.findall(r'^\s*([\w-]+)\s*=\s*"([\w-]+)"', secrets[1], re.M))
    for workload in workloads(objects):
        for volume in pod(workload).get("volumes", []):
            name = volume.get("csi", {}).get("volumeAttributes", {}).get("secretProviderClass")
            if name and readers.get(name) != pod(workload)["serviceAccountName"]:
                yield f"{called(workload)}: reads the secret {name} as {pod(workload)['serviceAccountName']}, and deploy/terraform lets {readers.get(name)}"
    for each in of_kind(objects, "SecretProviderClass"):
        if f"/secrets/tincture-{each['metadata']['name']}/" not in each["spec"]["parameters"]["secrets"]:
            yield f"{called(each)} is another secret than its name says"


def problems(objects: list[Object], lab: Lab) -> list[str]:
    return [
        problem for found in (schema_problems(objects), reference_problems(objects, lab), policy_problems(objects), agreement_problems(objects, lab))
        for problem in found
    ]


# ---- the check of the check

def patched(objects: list[Object], wrong: Object) -> list[Object]:
    """`objects` with one of them changed as wrong says (a few of JSON Patch's operations)."""
    changed = copy.deepcopy(objects)
    kind, name = wrong["target"].split()
    target = next((each for each in changed if each["kind"] == kind and each["metadata"]["name"] == name), None)
    if target is None:
        raise SystemExit(f"there is no {wrong['target']} to make wrong")
    for operation in wrong["patch"]:
        *path, last = [int(part) if part.isdigit() else part.replace("~1", "/") for part in operation["path"].strip("/").split("/")]
        place: Any = target
        for part in path:
            place = place[part]
        if operation["op"] == "remove":
            del place[last]
        elif isinstance(place, list) and last == "-":
            place.append(operation["value"])
        else:
            place[last] = operation["value"]
    return changed


def check_the_check(rendered: dict[str, list[Object]]) -> int:
    failed = 0
    files = sorted((pathlib.Path(__file__).parent / "wrong/kubernetes").glob("*.yaml"))
    for file in files:
        wrong = yaml.safe_load(file.read_text())
        lab = next(each for each in LABS if each.name == wrong.get("lab", "prod"))
        found = problems(patched(rendered[lab.name], wrong), lab)
        if not any(wrong["refused"] in problem for problem in found):
            failed += 1
            print(f"{file.name} isn't refused with: {wrong['refused']}\n  found: {found}", file=sys.stderr)
    print(f"{len(files) - failed} wrong manifests are refused, each by the words that it should be")
    return failed


def main() -> None:
    rendered = {lab.name: [each for part in lab.parts for each in render(OVERLAYS / part)] for lab in LABS}
    failed = 0
    for lab in LABS:
        found = problems(rendered[lab.name], lab)
        failed += len(found)
        print("\n".join(f"{lab.name}: {problem}" for problem in found) or f"{lab.name}: {len(rendered[lab.name])} objects, sound on Kubernetes {', '.join(VERSIONS)}")
    if "wrong" in sys.argv[1:]:
        failed += check_the_check(rendered)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
