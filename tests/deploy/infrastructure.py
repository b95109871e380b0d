"""Terraform: the real program over stand-ins of the providers (terraform/offline.py), what it promises, and checkov on what it plans and on what
kustomize renders.

    python infrastructure.py CACHE CHECKOV           everything; CHECKOV is the program, which has an environment of its own
    python infrastructure.py CACHE CHECKOV wrong     … and that what is wrong on purpose (wrong/) is refused, by the words that it says
"""
from __future__ import annotations
import copy, json, os, pathlib, re, shutil, subprocess, sys, tempfile
from collections.abc import Iterator
from typing import Any
import yaml

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "terraform"))
import offline  # noqa: E402

ROOT = HERE.parents[1]
TERRAFORM = ROOT / "deploy/terraform"
WRONG = HERE / "wrong"
ENVIRONMENTS = ["dev", "prod"]
PROVIDERS = """terraform {
  required_providers {
    google       = { source = "hashicorp/google", version = "~> 8.7" }
    mongodbatlas = { source = "mongodb/mongodbatlas", version = "~> 1.41" }
  }
}
"""


class Terraform:
    """Terraform at work on a copy of deploy: what it leaves behind isn't the repository's, least of all its lock file, whose hashes are the stand-ins'."""

    def __init__(self, cache: pathlib.Path):
        self.environment = offline.environment(offline.mirror(cache, [TERRAFORM, WRONG / "terraform"]))
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="tincture-deploy."))
        shutil.copytree(ROOT / "deploy", self.work / "deploy", ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        for name in ENVIRONMENTS:
            # The bucket with the state isn't there; everything else of the environment is as it is.
            (self.root(name) / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')

    def root(self, environment: str) -> pathlib.Path:
        return self.work / "deploy/terraform/environments" / environment

    def run(self, folder: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["terraform", f"-chdir={folder}", *arguments], capture_output=True, text=True, env=self.environment, timeout=600)

    def must(self, folder: pathlib.Path, *arguments: str) -> str:
        done = self.run(folder, *arguments)
        if done.returncode != 0:
            raise SystemExit(f"terraform {' '.join(arguments)} in {folder.name}:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def plan(self, environment: str) -> dict[str, Any]:
        root = self.root(environment)
        self.must(root, "init", "-no-color", "-input=false")
        self.must(root, "validate", "-no-color")
        self.must(root, "plan", "-no-color", "-input=false", "-out=plan")
        return json.loads(self.must(root, "show", "-json", "plan"))

    def close(self) -> None:
        shutil.rmtree(self.work)


def resources(plan: dict[str, Any]) -> list[dict[str, Any]]:
    def of(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield from module.get("resources", [])
        for child in module.get("child_modules", []):
            yield from of(child)
    return list(of(plan["planned_values"]["root_module"]))


def wiring_problems(plan: dict[str, Any]) -> Iterator[str]:
    """Tests of the modules say what each does; this, that prod puts them together so that it comes out."""
    found = resources(plan)
    servers = [each["values"] for each in found if each["type"] == "google_sql_database_instance"]
    if sorted(each["region"] for each in servers) != ["europe-west3", "europe-west3", "europe-west4"]:
        yield f"prod has PostgreSQL in {[each['region'] for each in servers]}"
    if not any(each["settings"][0]["availability_type"] == "REGIONAL" for each in servers):
        yield "prod's PostgreSQL has no standby"
    if not all(each["deletion_protection"] and not each["settings"][0]["ip_configuration"][0]["ipv4_enabled"] for each in servers):
        yield "a server of prod can be deleted, or is public"
    readers = {each["values"]["secret_id"] if "secret_id" in each["values"] else each["index"]: each["values"]["member"] for each in found if each["type"] == "google_secret_manager_secret_iam_member"}
    if len(readers) != 6 or any(f"/sa/{secret.removeprefix('tincture-')}" not in member for secret, member in readers.items()):
        yield f"prod's secrets are read by {readers}"
    for each in found:
        if each["type"] in ("google_compute_firewall",) and "0.0.0.0/0" in (each["values"].get("source_ranges") or []):
            yield f"{each['address']} lets everybody in"
        if each["type"] == "google_compute_instance" and each["values"]["network_interface"][0].get("access_config"):
            yield f"{each['address']} has a public address"
        if each["type"].endswith("_iam_member") and each["values"].get("member") in ("allUsers", "allAuthenticatedUsers"):
            yield f"{each['address']} is everybody's"
        if each["type"] == "google_project_iam_member" and each["values"].get("role") in ("roles/owner", "roles/editor"):
            yield f"{each['address']} may do anything"
    wanted = {"mongodbatlas_cloud_backup_schedule": 1, "mongodbatlas_privatelink_endpoint": 1, "google_cloud_scheduler_job": 2, "google_billing_budget": 1, "google_monitoring_uptime_check_config": 2}
    for type, count in wanted.items():
        if sum(each["type"] == type for each in found) != count:
            yield f"prod has not {count} of {type}"


def checkov(program: str, framework: str, file: pathlib.Path) -> list[tuple[str, str, str]]:
    """What it says against a file: check, resource, words."""
    done = subprocess.run(
        [program, "--skip-download", "--framework", framework, "--file", str(file), "--external-checks-dir", str(HERE / "checkov"), "--output", "json", "--quiet", "--compact"],
        capture_output=True, text=True, timeout=300, cwd=file.parent)
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise SystemExit(f"checkov said nothing that can be read:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    if report["summary"]["passed"] < 100:
        raise SystemExit(f"checkov looked at next to nothing: {report['summary']}")
    return [(each["check_id"], each["resource"], each["check_name"]) for each in report["results"]["failed_checks"]]


def checked_plan(program: str, plan: dict[str, Any], folder: pathlib.Path) -> list[tuple[str, str, str]]:
    file = folder / "plan.json"
    file.write_text(json.dumps(plan))
    return checkov(program, "terraform_plan", file)


def checked_manifests(program: str, folder: pathlib.Path) -> list[tuple[str, str, str]]:
    file = folder / "prod.yaml"
    file.write_text(subprocess.run(["kubectl", "kustomize", str(ROOT / "deploy/kubernetes/overlays/prod")], capture_output=True, text=True, check=True).stdout)
    return checkov(program, "kubernetes", file)


def checkov_problems(found: list[tuple[str, str, str]]) -> Iterator[str]:
    reasons = yaml.safe_load((HERE / "checkov/reasons.yaml").read_text())
    said = {key for check, resource, _ in found for key in (check, f"{check} {resource}")}
    for check, resource, words in found:
        if check not in reasons and f"{check} {resource}" not in reasons:
            yield f"{check}: {resource}: {words}"
    yield from (f"{key} is in reasons.yaml, and checkov doesn't say it any more" for key in reasons.keys() - said)


# ---- the check of the check

def wrong_files(terraform: Terraform) -> Iterator[str]:
    for file in sorted((WRONG / "terraform").glob("*.tf")):
        text = file.read_text()
        expected = re.search(r"^# refused: (.*)$", text, re.M)
        assert expected, f"{file} says by which words it is refused"
        root = terraform.work / "wrong" / file.stem
        root.mkdir(parents=True)
        (root / "main.tf").write_text(text if "required_providers" in text else text + PROVIDERS)
        done = terraform.run(root, "init", "-no-color", "-input=false")
        if done.returncode == 0:
            done = terraform.run(root, "validate", "-no-color")
        said = re.sub(r"\s+", " ", done.stdout + done.stderr)
        if done.returncode == 0 or expected[1] not in said:
            yield f"{file.name} isn't refused with: {expected[1]}; terraform said: {said}"


def wrong_promises(terraform: Terraform) -> Iterator[str]:
    for wrong in yaml.safe_load((WRONG / "promises.yaml").read_text()):
        file = terraform.work / "deploy/terraform/modules" / wrong["file"]
        before = file.read_text()
        if wrong["from"] not in before:
            yield f"{wrong['file']} has no {wrong['from']!r} to make wrong"
            continue
        file.write_text(before.replace(wrong["from"], wrong["to"]))
        done = terraform.run(terraform.root("prod"), "test", "-no-color", f"-filter=tests/{wrong['test']}.tftest.hcl")
        file.write_text(before)
        if done.returncode == 0 or wrong["refused"] not in re.sub(r"\s+", " ", done.stdout + done.stderr):
            yield f"{wrong['to']} in {wrong['file']} isn't refused with: {wrong['refused']}; terraform said: {(done.stdout + done.stderr)[-1500:]}"


def wrong_plan(program: str, plan: dict[str, Any], folder: pathlib.Path) -> Iterator[str]:
    """All of wrong/checkov.yaml in one plan: a resource of its own for each."""
    changed, wanted = copy.deepcopy(plan), []
    module = changed["planned_values"]["root_module"]
    module.setdefault("resources", [])
    for number, wrong in enumerate(yaml.safe_load((WRONG / "checkov.yaml").read_text())):
        made = copy.deepcopy(next(each for each in resources(plan) if each["type"] == wrong["type"] and each["name"] == wrong.get("name", each["name"])))
        made.update(name=f"wrong_{number}", address=f"{wrong['type']}.wrong_{number}")
        made.pop("index", None)
        for path, value in wrong["set"].items():
            *parts, last = path.split(".")
            place = made["values"]
            for part in parts:
                place = place[int(part) if part.isdigit() else part]
            place[last] = value
        module["resources"].append(made)
        changed["resource_changes"].append({**made, "mode": "managed", "change": {"actions": ["create"], "before": None, "after": made["values"], "after_unknown": {}}})
        wanted.append((wrong["refused"], made["address"]))
    found = {(check, resource) for check, resource, _ in checked_plan(program, changed, folder)}
    yield from (f"checkov doesn't find {check} at {address}" for check, address in wanted if (check, address) not in found)


def main() -> None:
    cache, program = pathlib.Path(sys.argv[1]), os.path.abspath(sys.argv[2])
    if subprocess.run(["terraform", "fmt", "-check", "-recursive", "-diff", str(TERRAFORM)], env={**os.environ, "TF_CLI_CONFIG_FILE": os.devnull}).returncode != 0:
        raise SystemExit("terraform fmt -recursive deploy/terraform")
    terraform = Terraform(cache)
    try:
        found: list[str] = []
        plans = {}
        for name in ENVIRONMENTS:
            plans[name] = terraform.plan(name)
            print(f"{name}: valid, {len(resources(plans[name]))} resources planned")
        found += wiring_problems(plans["prod"])
        tested = terraform.must(terraform.root("prod"), "test", "-no-color")
        print(tested.strip().splitlines()[-1])
        found += checkov_problems(checked_plan(program, plans["prod"], terraform.work) + checked_manifests(program, terraform.work))
        if "wrong" in sys.argv[3:]:
            found += [*wrong_files(terraform), *wrong_promises(terraform), *wrong_plan(program, plans["prod"], terraform.work)]
            print("what is wrong on purpose was tried")
        print("\n".join(found) or "terraform and checkov are content")
    finally:
        terraform.close()
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
