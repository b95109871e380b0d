#!/usr/bin/env python3
"""Tincture beside a fair FastAPI server, on one PostgreSQL with default durability, in one run: one table.

    tests/load/load.py [--seconds 8] [--passes 2] [--cases create,hot,read,list,sign-in] [--tincture PATH]

Builds what it needs under target/load: a cluster of its own, a virtual environment with the pinned Python side
(tests/load/baseline). Needs wrk, PostgreSQL and pgbench (Debian: wrk, postgresql, postgresql-contrib). The sides take
turns, each on a fresh copy of its seed: 64 people, 200 measured experiments each, of 8 wells. Compare only within a run.

Third comes the machine's limit: the rows of our creations written by pgbench, without any server between.
"""
import argparse, atexit, glob, json, os, pathlib, secrets, shutil, signal, socket, subprocess, sys, tempfile, time
import urllib.error, urllib.request
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORK = ROOT / "target" / "load"
PEOPLE, EACH = 64, 200
PASSWORD = "correct-horse-battery"


def postgres_binaries():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
    if not found or not shutil.which("wrk"):
        sys.exit("install what this needs: apt-get install wrk postgresql postgresql-contrib python3-venv")
    return pathlib.Path(found[-1]).parent


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Cluster:
    """A private cluster, set up as initdb leaves it."""

    def __init__(self):
        self.bin, self.port = postgres_binaries(), free_port()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tincture-load-"))
        self.as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self.as_user:
            shutil.chown(self.dir, "postgres")
        data = self.dir / "data"
        self.run("initdb", "-D", data, "-U", "lab", "--auth=trust")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='{self.dir}'"
        self.run("pg_ctl", "-D", data, "-w", "-l", self.dir / "log", "-o", options, "start")
        self.pid = int((data / "postmaster.pid").read_text().split()[0])
        atexit.register(self.stop)

    def run(self, program, *arguments):
        subprocess.run([*self.as_user, self.bin / program, *map(str, arguments)], check=True, capture_output=True)

    def stop(self):
        subprocess.run([*self.as_user, self.bin / "pg_ctl", "-D", self.dir / "data", "-m", "immediate", "stop"], capture_output=True)
        shutil.rmtree(self.dir, ignore_errors=True)

    def url(self, database, scheme="postgres"):
        return f"{scheme}://lab@127.0.0.1:{self.port}/{database}"

    def sql(self, database, text):
        command = [self.bin / "psql", "-qAtX", "-v", "ON_ERROR_STOP=1", self.url(database), "-f", "-"]
        done = subprocess.run(command, input=text, text=True, capture_output=True)
        if done.returncode:
            sys.exit(f"{done.stderr}\nin: {text[:400]}")
        return done.stdout.strip()

    def copy(self, seed, name):
        self.sql("postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE);")
        self.sql("postgres", f"CREATE DATABASE {name} TEMPLATE {seed};")
        self.sql(name, "CHECKPOINT;")


class Server:
    """A server process with its children, ended with its group."""

    def __init__(self, command, environment, ready):
        log = open(WORK / "server.log", "ab")
        self.process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log, start_new_session=True)
        atexit.register(self.stop)
        deadline = time.monotonic() + 30
        while True:
            try:
                return urllib.request.urlopen(ready, timeout=1).close()
            except (urllib.error.URLError, OSError):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"{command[0]} doesn't come up: see {WORK}/server.log")
                time.sleep(0.1)

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)

    def memory(self):
        """Proportional set size, MB."""
        total = 0
        for pid in children(self.process.pid):
            try:
                total += next(int(line.split()[1]) for line in open(f"/proc/{pid}/smaps_rollup") if line.startswith("Pss:"))
            except OSError:
                pass
        return total / 1024


def children(of):
    """A process with all that it started."""
    parents = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            fields = open(path).read().rsplit(")", 1)[1].split()
            parents.setdefault(int(fields[1]), []).append(int(path.split("/")[2]))
        except OSError:
            pass
    todo, found = [of], []
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += parents.get(pid, [])
    return found


def cpu(of):
    """Seconds that a process and its children have worked, those that ended included."""
    total = 0
    for pid in children(of):
        try:
            fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
            total += sum(int(field) for field in fields[11:15])
        except OSError:
            pass
    return total / os.sysconf("SC_CLK_TCK")


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    return json.load(urllib.request.urlopen(request, timeout=30))


def get(url, token):
    return json.load(urllib.request.urlopen(urllib.request.Request(url, headers={"authorization": f"Bearer {token}"}), timeout=30))


class FastApi:
    name, seed = "FastAPI", "seed_fastapi"

    def __init__(self, cluster):
        self.cluster, self.python = cluster, WORK / "venv" / "bin" / "python"
        stamp, wanted = WORK / "venv" / "requirements.txt", HERE / "baseline" / "requirements.txt"
        if not stamp.exists() or stamp.read_text() != wanted.read_text():
            subprocess.run([sys.executable, "-m", "venv", WORK / "venv"], check=True)
            subprocess.run([self.python, "-m", "pip", "install", "-q", "--no-deps", "-r", wanted], check=True)
            shutil.copy(wanted, stamp)
        cluster.sql("postgres", f"CREATE DATABASE {self.seed};")
        environment = {**os.environ, "DATABASE_URL": cluster.url(self.seed, "postgresql")}
        subprocess.run([self.python, HERE / "baseline" / "seed.py"], env=environment, check=True)

    def start(self, database):
        port = free_port()
        self.base = f"http://127.0.0.1:{port}"
        command = [self.python, "-m", "uvicorn", "app:app", "--app-dir", HERE / "baseline", "--host", "127.0.0.1", "--port", port,
                   "--workers", 2, "--no-access-log", "--log-level", "warning"]
        environment = {"DATABASE_URL": self.cluster.url(database, "postgresql"), "JWT_SECRET": secrets.token_hex(32)}
        return Server([str(word) for word in command], environment, f"{self.base}/metrics")

    def tokens(self):
        sign_in = lambda i: post(f"{self.base}/auth/login", {"name": f"u{i}", "password": f"pw-{i}"})["access_token"]
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(sign_in, range(PEOPLE)))

    def experiments(self, tokens):
        return [get(f"{self.base}/experiments", token)["items"][0]["id"] for token in tokens]

    requests = {
        "create": 'wrk.format("POST", "/experiments", H, [[%s]])'
        % json.dumps({"name": "bench", "params": {"goal": "teal"}, "wells": [{"well": f"A{i}", "r": 20, "y": 20, "b": 30} for i in range(1, 9)]}),
        "read": 'wrk.format("GET", "/experiments/" .. experiments[i], H)',
        "list": 'wrk.format("GET", "/experiments?limit=50", H)',
        "sign-in": """wrk.format("POST", "/auth/login", J, string.format('{"name":"u%d","password":"pw-%d"}', i - 1, i - 1))""",
    }


class Tincture:
    name, seed = "Tincture", "seed_tincture"

    def __init__(self, cluster, binary, fastapi):
        self.cluster, self.binary = cluster, binary
        cluster.sql("postgres", f"CREATE DATABASE {self.seed};")
        self.tincture("migrate", database=self.seed)
        self.tincture("robot", "add", "bench", "--url", "http://127.0.0.1:9", "--sensor", "tcp://127.0.0.1:9", database=self.seed)
        hashing = "from argon2 import PasswordHasher as P; print(P(time_cost=2, memory_cost=19456, parallelism=1).hash('%s'))"
        hashed = subprocess.run([fastapi.python, "-c", hashing % PASSWORD], check=True, capture_output=True, text=True).stdout.strip()
        cluster.sql(self.seed, (HERE / "seed.sql").read_text().replace(":hash", hashed).replace(":people", str(PEOPLE)).replace(":each", str(EACH)))

    def tincture(self, *arguments, database, said=None):
        environment = {**os.environ, "TINCTURE_DATABASE_URL": self.cluster.url(database), "TINCTURE_ADMIN_PASSWORD": PASSWORD}
        done = subprocess.run([self.binary, *arguments], env=environment, capture_output=True, text=True, input=said)
        if done.returncode:
            sys.exit(f"tincture {' '.join(arguments)}: {done.stderr}")

    def start(self, database):
        port = free_port()
        self.base = f"http://127.0.0.1:{port}"
        environment = {
            "TINCTURE_DATABASE_URL": self.cluster.url(database), "TINCTURE_LISTEN": f"127.0.0.1:{port}",
            "TINCTURE_ADMIN_PASSWORD": PASSWORD, "TINCTURE_DATABASE_CONNECTIONS": "32", "TINCTURE_QUEUE_LIMIT": "100000",
            "TINCTURE_CHANGES_PER_MINUTE": "100000", "TINCTURE_CONNECTIONS_PER_ADDRESS": "4096", "TINCTURE_LOG": "warn",
        }
        return Server([self.binary, "serve"], environment, f"{self.base}/healthz")

    def tokens(self):
        sign_in = lambda i: post(f"{self.base}/api/v1/auth/login", {"email": f"u{i}@load.test", "password": PASSWORD})["access_token"]
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(sign_in, range(PEOPLE)))

    def experiments(self, tokens):
        return [get(f"{self.base}/api/v1/experiments", token)["data"][0]["id"] for token in tokens]

    requests = {
        "create": 'wrk.format("POST", "/api/v1/experiments", H, [[%s]])'
        % json.dumps({"name": "bench", "wells": [{"volumes": {"red": 20, "yellow": 20, "blue": 30}}] * 8}),
        "read": 'wrk.format("GET", "/api/v1/experiments/" .. experiments[i], H)',
        "list": 'wrk.format("GET", "/api/v1/experiments?limit=50", H)',
        "sign-in": """wrk.format("POST", "/api/v1/auth/login", J, string.format('{"email":"u%%d@load.test","password":"%s"}', i - 1))""" % PASSWORD,
    }


LUA = """
local tokens, experiments, n = %(tokens)s, %(experiments)s, 0
local J = {["content-type"] = "application/json"}
local heads = {}
for i, token in ipairs(tokens) do heads[i] = {["authorization"] = "Bearer " .. token, ["content-type"] = "application/json"} end
request = function()
  n = n + 1
  local i = %(one)s
  local H = heads[i]
  return %(request)s
end
done = function(summary, latency)
  io.write(string.format("RESULT %%d %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    summary.errors.status, summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"""


def wrk(side, case, tokens, experiments, seconds, connections):
    table = lambda values: "{" + ",".join(json.dumps(value) for value in values) + "}"
    script = LUA % {
        "tokens": table(tokens), "experiments": table(experiments), "one": "1" if case == "hot" else f"(n % {PEOPLE}) + 1",
        "request": side.requests["create" if case == "hot" else case],
    }
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", file.name, side.base]
        out = subprocess.run(command, capture_output=True, text=True).stdout
    requests, duration, p50, p99, refused, broken = map(int, out.split("RESULT")[1].split())
    return {"rate": requests / duration * 1e6, "p50": p50 / 1000, "p99": p99 / 1000, "failed": refused + broken}


def measure(side, case, seconds):
    side.cluster.copy(side.seed, "run")
    server = side.start("run")
    tokens = side.tokens()
    experiments = side.experiments(tokens)
    connections = 32 if case == "hot" else 64
    wrk(side, case, tokens, experiments, 2, connections)
    before = cpu(server.process.pid), cpu(side.cluster.pid)
    result = wrk(side, case, tokens, experiments, seconds, connections)
    result["server"], result["database"] = (
        (cpu(pid) - then) * 1000 / max(result["rate"] * seconds, 1)
        for pid, then in zip((server.process.pid, side.cluster.pid), before)
    )
    time.sleep(3)  # What is kept, not what was in use.
    result["memory"] = server.memory()
    server.stop()
    return result


def limit(cluster, together, seconds):
    """Creations a second that pgbench writes, so many in a transaction."""
    cluster.copy(Tincture.seed, "run")
    script = (HERE / "limit.sql").read_text().replace(":together", str(together))
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        os.chmod(file.name, 0o644)
        command = [shutil.which("pgbench") or cluster.bin / "pgbench", "-n", "-M", "prepared", "-c", "8", "-j", "2", "-T", str(seconds), "-f", file.name, cluster.url("run")]
        out = subprocess.run(command, capture_output=True, text=True)
    if out.returncode:
        sys.exit(out.stderr)
    return float(next(line.split("=")[1].split()[0] for line in out.stdout.splitlines() if line.startswith("tps"))) * together


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--cases", default="create,hot,read,list,sign-in")
    parser.add_argument("--tincture", default=str(ROOT / "target" / "release" / "tincture"))
    chosen = parser.parse_args()
    if not os.access(chosen.tincture, os.X_OK):
        sys.exit(f"{chosen.tincture} isn't there: cargo build --release, or --tincture PATH")
    WORK.mkdir(parents=True, exist_ok=True)
    cluster = Cluster()
    fastapi = FastApi(cluster)
    sides = [fastapi, Tincture(cluster, chosen.tincture, fastapi)]
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {chosen.passes} passes of {chosen.seconds} s, the best of each side")
    print(f"{'case':8} {'side':9} {'req/s':>7} {'(all)':>16} {'p50 ms':>7} {'p99 ms':>7} {'failed':>6} {'ms/req':>7} {'PG ms':>6} {'PSS MB':>7} {'×':>6}", flush=True)
    for case in chosen.cases.split(","):
        results = {side.name: [] for side in sides}
        for _ in range(chosen.passes):
            for side in sides:
                results[side.name].append(measure(side, case, chosen.seconds))
        best = {name: max(passes, key=lambda result: result["rate"]) for name, passes in results.items()}
        for name, result in best.items():
            every = ", ".join(f"{each['rate']:.0f}" for each in results[name])
            ratio = f"{result['rate'] / best[fastapi.name]['rate']:.2f}" if name != fastapi.name else ""
            print(f"{case:8} {name:9} {result['rate']:7.0f} {every:>16} {result['p50']:7.1f} {result['p99']:7.1f} {result['failed']:6} {result['server']:7.2f} {result['database']:6.2f} {result['memory']:7.0f} {ratio:>6}", flush=True)
        if case == "create":
            for together in (1, 16):
                rate = limit(cluster, together, chosen.seconds)
                print(f"{'':8} {f'pgbench, {together} in a transaction':26} {rate:7.0f}   ours is {best['Tincture']['rate'] / rate:.0%} of it", flush=True)


if __name__ == "__main__":
    main()
