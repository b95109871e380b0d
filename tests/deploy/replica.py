"""The two scripts that make compose.yaml's pair of PostgreSQL servers, with Debian's PostgreSQL in the place of the images: that what is written is
in both, and that the primary waits for the other."""
from __future__ import annotations
import os, pathlib, re, shutil, signal, socket, subprocess, tempfile, time
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "deploy/compose"
BIN = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))[-1]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Servers:
    def __init__(self, place: pathlib.Path):
        self.place, self.port, self.other_port = place, free_port(), free_port()
        self.environment = {
            "PATH": f"{BIN}:/usr/bin:/bin", "PGHOST": str(place), "PGPORT": str(self.port), "POSTGRES_USER": "postgres", "LC_ALL": "C",
            **{f"{name}_PASSWORD": "secret" for name in ("OWNER", "APP", "MONITOR", "PREFECT", "REPLICATION")},
        }
        self.started: list[subprocess.Popen[bytes]] = []

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(as_postgres(command), env={**self.environment, **environment}, capture_output=True, text=True, timeout=60, cwd="/")

    def start(self, *command: str, **environment: str) -> None:
        log = (self.place / f"log.{len(self.started)}").open("w")
        self.started.append(subprocess.Popen(as_postgres(command), env={**self.environment, **environment}, stdout=log, stderr=log, cwd="/"))

    def must(self, *command: str, **environment: str) -> str:
        done = self.run(*command, **environment)
        if done.returncode != 0:
            raise SystemExit(f"{command}: {done.stdout}{done.stderr}{self.logs()}")
        return done.stdout.strip()

    def sql(self, statement: str, **environment: str) -> str:
        return self.must("psql", "-XAtq", "-U", "postgres", "-d", "tincture", "-c", statement, **environment)

    def until(self, holds: str, **environment: str) -> None:
        for _ in range(150):
            if self.run("psql", "-XAtq", "-U", "postgres", "-d", "tincture", "-c", holds, **environment).stdout.strip() == "t":
                return
            time.sleep(0.2)
        raise SystemExit(f"never so: {holds}\n{self.logs()}")

    def logs(self) -> str:
        return "".join(file.read_text() for file in sorted(self.place.glob("log.*")))

    def stop(self) -> None:
        for server in reversed(self.started):
            # A fast shutdown: it waits for nobody.
            server.send_signal(signal.SIGINT)
        for server in self.started:
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


def as_postgres(command: tuple[str, ...]) -> list[str]:
    # setpriv becomes the program itself, so that a signal to it is a signal to the server.
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command] if os.geteuid() == 0 else list(command)


def main() -> None:
    services = yaml.safe_load(re.sub(r"\$\{(\w+)[^}]*\}", "secret", (ROOT / "compose.yaml").read_text()))["services"]
    place = pathlib.Path(tempfile.mkdtemp(prefix="tincture-pair."))
    if os.geteuid() == 0:
        shutil.chown(place, "postgres", "postgres")
    servers = Servers(place)
    primary, replica = str(place / "primary"), str(place / "replica")
    here = ("-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={place}")
    for name in ("postgres-init.sh", "postgres-replica.sh"):
        shutil.copy(SCRIPTS / name, place / name)
    try:
        servers.must("initdb", "-D", primary, "-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync")
        servers.start(*services["postgres"]["command"], "-D", primary, "-p", str(servers.port), *here)
        for _ in range(100):
            if servers.run("psql", "-XAtq", "-U", "postgres", "-d", "postgres", "-c", "SELECT 1").returncode == 0:
                break
            time.sleep(0.1)
        # As the image does: the options of the service's environment, and its database before the script.
        options = services["postgres"]["environment"]["PGOPTIONS"]
        servers.must("psql", "-XAtq", "-U", "postgres", "-d", "postgres", "-c", "CREATE DATABASE tincture", PGOPTIONS=options)
        servers.must("bash", str(place / "postgres-init.sh"), PGDATA=primary, PGOPTIONS=options)
        servers.must("psql", "-XAtq", "-U", "postgres", "-d", "tincture", "-c", "SELECT pg_reload_conf()")
        servers.start("bash", str(place / "postgres-replica.sh"), "-p", str(servers.other_port), *here, PGDATA=replica, PRIMARY="127.0.0.1", PRIMARY_PORT=str(servers.port), PGPASSWORD="secret")
        servers.until("SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = 'replica' AND sync_state = 'sync')")
        servers.must("psql", "-XAtq", "-h", "127.0.0.1", "-U", "tincture_owner", "-d", "tincture", "-c", "CREATE TABLE seen AS SELECT 1 AS one", PGPASSWORD="secret")
        servers.until("SELECT one = 1 FROM seen", PGPORT=str(servers.other_port))
        refused = servers.run("psql", "-XAtq", "-h", "127.0.0.1", "-U", "tincture_app", "-d", "tincture", "-c", "CREATE TABLE other (one int)", PGPASSWORD="secret")
        if "permission denied" not in refused.stderr:
            raise SystemExit(f"the application makes tables: {refused.stdout}{refused.stderr}")
        # Without the replica a commit is not acknowledged: what was acknowledged is in both.
        servers.started[1].send_signal(signal.SIGINT)
        servers.started[1].wait(20)
        servers.start("psql", "-XAtq", "-U", "postgres", "-d", "tincture", "-c", "INSERT INTO seen VALUES (2)")
        servers.until("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')")
    finally:
        servers.stop()
        shutil.rmtree(place)
    print("compose.yaml's pair of servers holds what is written in both")


if __name__ == "__main__":
    main()
