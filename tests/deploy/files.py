"""compose.yaml, the systemd units and every YAML file of deploy: what can be said of them without running them.

    python files.py           everything
    python files.py wrong     … and that each file of wrong/compose and wrong/systemd is refused, by the words that it says
"""
from __future__ import annotations
import pathlib, re, subprocess, sys, tempfile
from collections.abc import Iterator
from typing import Any
import compose_spec, yaml
from yamllint import linter
from yamllint.config import YamlLintConfig

ROOT = pathlib.Path(__file__).resolve().parents[2]
WRONG = pathlib.Path(__file__).parent / "wrong"
LINT = YamlLintConfig("{extends: default, rules: {line-length: disable, document-start: disable, braces: disable, brackets: disable, comments-indentation: disable, indentation: {indent-sequences: whatever, spaces: 2}, truthy: {check-keys: false}, commas: disable, colons: disable}}")
# Of systemd's own scale, in tenths: 10 is as good as unprotected.
EXPOSURE = 25


def yaml_problems() -> Iterator[str]:
    for file in sorted([ROOT / "compose.yaml", *(ROOT / "deploy").rglob("*.yaml"), *(ROOT / "deploy").rglob("*.yml")]):
        if ".terraform" not in file.parts:
            yield from (f"{file.relative_to(ROOT)}:{found.line}: {found.message}" for found in linter.run(file.read_text(), LINT))


# ---- compose.yaml

def filled(text: str) -> str:
    """As it reads once .env has passwords."""
    return re.sub(r"\$\{(\w+)[^}]*\}", "secret", text)


def compose_problems(text: str) -> Iterator[str]:
    try:
        # Merge keys are YAML's own and not the specification's: PyYAML resolves them first.
        given: dict[str, Any] = yaml.safe_load(filled(text))
        compose_spec.PyCompose.from_yaml(yaml.safe_dump({key: value for key, value in given.items() if not key.startswith("x-")}, sort_keys=False))
    except (ValueError, TypeError, yaml.YAMLError) as error:
        yield f"compose.yaml: {error}"
        return
    services = given["services"]
    for name, service in services.items():
        yield from service_problems(name, service, given)
    used = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", []) if not volume.startswith((".", "/"))}
    yield from (f"nobody uses the volume {name}" for name in set(given.get("volumes", {})) - used)
    asked = set(re.findall(r"\$\{(\w+)", text))
    offered = set(re.findall(r"^(\w+)=", (ROOT / "deploy/compose/example.env").read_text(), re.M))
    yield from (f"{name} is in compose.yaml or in example.env alone" for name in asked ^ offered)


def service_problems(name: str, service: dict[str, Any], given: dict[str, Any]) -> Iterator[str]:
    image = service.get("image", "")
    if not re.search(r":[\w.-]+$", image) or image.endswith(":latest"):
        yield f"{name}: the image {image!r} isn't pinned"
    for other, how in service.get("depends_on", {}).items():
        if other not in given["services"]:
            yield f"{name}: waits for {other}, which isn't there"
        elif how["condition"] == "service_healthy" and "healthcheck" not in given["services"][other]:
            yield f"{name}: waits until {other} is healthy, which nobody checks"
        elif how["condition"] == "service_completed_successfully" and given["services"][other].get("restart") not in ("on-failure", "no"):
            yield f"{name}: waits until {other} has ended, which is started again for ever"
    for network in service.get("networks", []):
        if network not in given.get("networks", {}):
            yield f"{name}: the network {network} isn't there"
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith(".") and not (ROOT / source).exists():
            yield f"{name}: {source} isn't there"
        if not source.startswith((".", "/")) and source not in given.get("volumes", {}):
            yield f"{name}: the volume {source} isn't declared"
    for port in service.get("ports", []):
        if not port.startswith("127.0.0.1:"):
            yield f"{name}: the port {port} is open to the network; 127.0.0.1:{port} is this machine's alone"
    yield from address_problems(name, service, given)


def address_problems(name: str, service: dict[str, Any], given: dict[str, Any]) -> Iterator[str]:
    """Whoever is named in an address is there, and on a network of whoever names it."""
    words = list(service.get("environment", {}).values()) + (service.get("command") or [])
    for hosts in re.findall(r"(?:postgres|postgresql\+asyncpg|mongodb|mqtt)://(?:[^@/\s]+@)?([\w.,:-]+)", " ".join(map(str, words))):
        for host in hosts.split(","):
            other = given["services"].get(host.split(":")[0])
            if other is None:
                yield f"{name}: there is no service {host}"
            elif not set(other.get("networks", [])) & set(service.get("networks", [])):
                yield f"{name}: {host} is on no network of its"


# ---- systemd

def unit_problems(file: pathlib.Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        # The programs aren't installed here; that they are there is all that systemd would look at.
        copy = pathlib.Path(folder) / file.name
        copy.write_text(re.sub(r"^(ExecStart=)/usr/bin/(?:tincture|gcloud)\b", r"\1/bin/true", file.read_text(), flags=re.M))
        # A template can't be verified as such.
        if "@" in file.name:
            copy = copy.rename(copy.with_name(file.name.replace("@", "@bench-1")))
        verified = subprocess.run(["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, timeout=60)
        # What it complains of it doesn't fail for. Others' units are none of ours.
        yield from (line for line in verified.stderr.splitlines() if copy.name in line or str(copy) in line)
        if verified.returncode != 0 and not verified.stderr:
            yield f"{file.name}: systemd-analyze verify failed"
        judged = subprocess.run(["systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}", str(copy)], capture_output=True, text=True, timeout=60)
        if judged.returncode != 0:
            yield f"{file.name}: {(judged.stdout.strip() or judged.stderr.strip()).splitlines()[-1]}"
    if re.search(r"(PASSWORD|SECRET|TOKEN)\w*=\S", file.read_text()):
        yield f"{file.name}: a secret in a unit is everybody's to read"


def script_problems() -> Iterator[str]:
    for file in sorted((ROOT / "deploy").rglob("*.sh")):
        done = subprocess.run(["bash", "-n", str(file)], capture_output=True, text=True)
        yield from done.stderr.splitlines()


def prometheus_problems() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "rules").symlink_to(ROOT / "deploy/prometheus/rules")
        copy = pathlib.Path(folder) / "prometheus.yml"
        copy.write_text((ROOT / "deploy/compose/prometheus.yml").read_text())
        done = subprocess.run(["promtool", "check", "config", str(copy)], capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            yield done.stderr


# ---- the check of the check

def check_the_check() -> Iterator[str]:
    seen = 0
    for file in sorted(WRONG.glob("compose/*.yaml")) + sorted(WRONG.glob("systemd/*.service")):
        expected = re.search(r"^# refused: (.*)$", file.read_text(), re.M)
        assert expected, f"{file} says by which words it is refused"
        found = list(compose_problems(file.read_text()) if file.suffix == ".yaml" else unit_problems(file))
        seen += 1
        if not any(expected[1] in problem for problem in found):
            yield f"{file.name} isn't refused with: {expected[1]}; found: {found}"
    print(f"{seen} wrong compose files and units were tried")


def main() -> None:
    found = [*yaml_problems(), *compose_problems((ROOT / "compose.yaml").read_text()), *script_problems(), *prometheus_problems()]
    for unit in sorted((ROOT / "deploy/systemd").glob("*.service")):
        found += unit_problems(unit)
    if "wrong" in sys.argv[1:]:
        found += check_the_check()
    print("\n".join(found) or "compose.yaml, units and YAML are sound")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
