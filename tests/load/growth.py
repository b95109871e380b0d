#!/usr/bin/env python3
"""What requests cost as history and the queue grow: one at a time, on PostgreSQL with default durability. Prints a table.

    tests/load/growth.py [--most 1000000] [--rounds 60] [--tincture PATH] [--figure FILE.svg]

The same database grows: 1,000, 10,000, … ended experiments with ten waiting, then up to 20,000 waiting. Each request is
asked by another of 100 people each time, so that no answer comes from memory because it was asked a moment ago; medians
in milliseconds, from one connection. The last column says
how many times the first the last is. --figure needs matplotlib.
"""
import argparse, http.client, itertools, json, os, pathlib, statistics, sys, time, urllib.parse, urllib.request
from concurrent.futures import ThreadPoolExecutor

from load import HERE, PASSWORD, ROOT, WORK, Cluster, Tincture, post

PEOPLE = 100
ADMIN = "admin@load.test"
WAITING = (10, 1_000, 20_000)
STEP = 100_000
WELLS = [{"volumes": {"red": 20, "yellow": 20, "blue": 30}}] * 8
CREATE = ("POST", "/api/v1/experiments", {"name": "growth", "wells": WELLS})


class Lab(Tincture):
    seed = "growth"

    def __init__(self, cluster, binary):
        self.cluster, self.binary, self.ended, self.waiting = cluster, binary, 0, 0
        cluster.sql("postgres", f"CREATE DATABASE {self.seed};")
        self.tincture("migrate", database=self.seed)
        self.tincture("robot", "add", "bench", "--url", "http://127.0.0.1:9", "--sensor", "tcp://127.0.0.1:9", database=self.seed)
        self.tincture("user", "create", ADMIN, "--role", "admin", "--password-stdin", database=self.seed, said=PASSWORD)
        seed = (HERE / "seed.sql").read_text().replace(":hash", "nobody signs in").replace(":people", str(PEOPLE)).replace(":each", "1")
        cluster.sql(self.seed, seed)
        cluster.sql(self.seed, "UPDATE users SET hashed_password = (SELECT hashed_password FROM users WHERE role = 'admin');")
        self.server = self.start(self.seed)
        self.asker = http.client.HTTPConnection(self.base.removeprefix("http://"), timeout=60)
        with ThreadPoolExecutor(4) as pool:
            people = [f"u{number}@load.test" for number in range(PEOPLE)]
            people = list(pool.map(self.person, people))
        self.tokens = [token for token, _ in people]
        self.people = itertools.cycle(people)
        self.admin = self.person(ADMIN)

    def person(self, email):
        """Their token and their cookie."""
        token = post(f"{self.base}/api/v1/auth/login", {"email": email, "password": PASSWORD})["access_token"]
        connection = http.client.HTTPConnection(self.base.removeprefix("http://"), timeout=60)
        form = urllib.parse.urlencode({"email": email, "password": PASSWORD})
        connection.request("POST", "/sign-in", form, {"content-type": "application/x-www-form-urlencoded"})
        return token, connection.getresponse().getheader("set-cookie").split(";")[0]

    def have(self, ended, waiting):
        """Grows until there are so many."""
        for begin in range(self.ended + 1, ended + 1, STEP):
            number = {":from": str(begin), ":to": str(min(begin + STEP - 1, ended))}
            text = (HERE / "growth.sql").read_text()
            for name, value in number.items():
                text = text.replace(name, value)
            self.cluster.sql(self.seed, text)
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(self.create, range(waiting - self.waiting)))
        self.waiting = max(self.waiting, waiting)
        self.ended = ended
        self.asker.close()  # The server doesn't wait for who asks nothing for so long.
        self.cluster.sql(self.seed, "VACUUM ANALYZE; CHECKPOINT;")
        time.sleep(3)  # Until a reading of the longer queue is in use.

    def create(self, number):
        token = self.tokens[number % PEOPLE]
        head = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        asked = urllib.request.Request(self.base + CREATE[1], json.dumps(CREATE[2]).encode(), head)
        urllib.request.urlopen(asked, timeout=60).read()

    def ask(self, method, path, body=None, who=None):
        token, cookie = who or next(self.people)
        head = {"authorization": f"Bearer {token}", "cookie": cookie, "content-type": "application/json"}
        began = time.perf_counter()
        self.asker.request(method, path, json.dumps(body) if body else None, head)
        answer = self.asker.getresponse()
        text = answer.read()
        if answer.status >= 400:
            sys.exit(f"{method} {path}: {answer.status} {text[:300]}")
        return (time.perf_counter() - began) * 1000, text

    def measure(self, rounds):
        """Milliseconds by kind of request, the median of so many."""
        some = self.cluster.sql(self.seed, f"SELECT id FROM experiments WHERE status = 'completed' ORDER BY md5(id::text) LIMIT {4 * rounds};")
        ended = itertools.cycle(some.split())
        middle = self.cluster.sql(self.seed, "SELECT id FROM experiments WHERE status = 'completed' ORDER BY id OFFSET 500 LIMIT 1;")
        mine = json.loads(self.ask(*CREATE)[1])["id"]
        self.waiting += 1
        everybody = {"who": self.admin}
        kinds = {
            "create": lambda: self.ask(*CREATE),
            "read an ended one": lambda: self.ask("GET", f"/api/v1/experiments/{next(ended)}", **everybody),
            "read one that waits": lambda: self.ask("GET", f"/api/v1/experiments/{mine}", **everybody),
            "list mine": lambda: self.ask("GET", "/api/v1/experiments?limit=50"),
            "list everybody's, the oldest": lambda: self.ask("GET", f"/api/v1/experiments?limit=50&after={middle}", **everybody),
            "the queue": lambda: self.ask("GET", "/api/v1/queue"),
            "page of my experiments": lambda: self.ask("GET", "/experiments"),
            "page of one": lambda: self.ask("GET", f"/experiments/{next(ended)}", **everybody),
            "page of the robots": lambda: self.ask("GET", "/robots", **everybody),
            "the lab's metrics": lambda: self.ask("GET", "/metrics/service", **everybody),
        }
        medians = {}
        for kind, ask in kinds.items():
            for _ in range(5):
                ask()
            medians[kind] = statistics.median(ask()[0] for _ in range(rounds))
            self.waiting += (rounds + 5) * (kind == "create")
        return medians


def draw(columns, table, path):
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 4.5))
    for kind in table[0]:
        axes.plot(range(len(columns)), [medians[kind] for medians in table], marker="o", label=kind)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yscale("log")
    axes.set_ylabel("milliseconds, median")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, ncols=2)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--tincture", default=str(ROOT / "target" / "release" / "tincture"))
    parser.add_argument("--figure", type=pathlib.Path)
    chosen = parser.parse_args()
    if not os.access(chosen.tincture, os.X_OK):
        sys.exit(f"{chosen.tincture} isn't there: cargo build --release, or --tincture PATH")
    WORK.mkdir(parents=True, exist_ok=True)
    lab = Lab(Cluster(), chosen.tincture)
    sizes = [size for size in (1_000, 10_000, 100_000, 1_000_000) if size <= chosen.most]
    states = [(size, WAITING[0]) for size in sizes] + [(sizes[-1], waiting) for waiting in WAITING[1:]]
    columns, table = [], []
    for ended, waiting in states:
        lab.have(ended, waiting)
        columns.append(f"{ended:,}\n+ {lab.waiting:,}")
        table.append(lab.measure(chosen.rounds))
        told = ", ".join(f"{kind} {median:.1f}" for kind, median in table[-1].items())
        print(f"{ended:,} ended, {lab.waiting:,} waiting, load {os.getloadavg()[0]:.1f}: {told}", flush=True)
    print("\n| ended + waiting | " + " | ".join(column.replace("\n", " ") for column in columns) + " | × |")
    print("|---" * (len(columns) + 2) + "|")
    for kind in table[0]:
        row = [medians[kind] for medians in table]
        print(f"| {kind} | " + " | ".join(f"{value:.1f}" for value in row) + f" | {row[-1] / row[0]:.1f} |")
    if chosen.figure:
        draw(columns, table, chosen.figure)


if __name__ == "__main__":
    main()
