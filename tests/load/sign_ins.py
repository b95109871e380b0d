#!/usr/bin/env python3
"""How many sign-ins a second there are beside what argon2id allows on this machine, and whom they keep waiting. One table.

    tests/load/sign_ins.py [--seconds 5] [--passes 3] [--tincture PATH]

In one run, by turns: argon2id alone, in as many threads as there are cores, with the lab's own parameters, by another library
(argon2-cffi, pinned); sign-ins with the right password, as many at once; a reader alone; a reader while people sign in; and a
reader while a thousand wrong sign-ins a second come in for accounts that there aren't. A lab of its own (`tincture serve` on SQLite) under
target/load. Compare only within a run, on a machine that does nothing else. The goal: sign-ins within 20 % of argon2id,
and the reader's p99 as it was.
"""
import argparse, http.client, json, os, pathlib, shutil, statistics, subprocess, sys, threading, time, venv

from load import ROOT, WORK, PASSWORD, Server, free_port

ARGON2 = "argon2-cffi==25.1.0"
# As crates/auth/src/password.rs has them.
MEMORY_KIB, PASSES, LANES = 19 * 1024, 2, 1
CORES = os.cpu_count()
READER = "/api/v1/experiments"
WRONG_A_SECOND = 1_000
ALONE = f"""
import sys, threading, time
from argon2.low_level import hash_secret_raw, Type
seconds, threads, done = float(sys.argv[1]), {CORES}, [0] * {CORES}
end = time.monotonic() + seconds
def work(n):
    while time.monotonic() < end:
        hash_secret_raw(b"correct-horse-battery", b"sixteen bytes...", {PASSES}, {MEMORY_KIB}, {LANES}, 32, Type.ID)
        done[n] += 1
all = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
[t.start() for t in all]; [t.join() for t in all]
print(sum(done) / seconds)
"""


def argon2_alone(python, seconds):
    return float(subprocess.run([python, "-c", ALONE, str(seconds)], check=True, capture_output=True, text=True).stdout)


class Lab:
    def __init__(self, binary):
        self.data, self.port = WORK / "sign-ins", free_port()
        shutil.rmtree(self.data, ignore_errors=True)
        self.environment = {"TINCTURE_DATA_DIR": str(self.data), "TINCTURE_LOG": "error", "TINCTURE_ADMIN_PASSWORD": PASSWORD}
        self.tincture(binary, "migrate")
        self.people = [f"u{number}@load.test" for number in range(4 * CORES)]
        for email in self.people:
            self.tincture(binary, "user", "create", email, "--password-stdin", said=PASSWORD)
        self.server = Server([binary, "serve", "--listen", f"127.0.0.1:{self.port}"], self.environment, f"http://127.0.0.1:{self.port}/healthz")
        self.token = json.loads(self.sign_in(self.connect(), self.people[0])[1])["access_token"]

    def tincture(self, binary, *arguments, said=""):
        subprocess.run([binary, *arguments], env={**os.environ, **self.environment}, input=said, text=True, check=True, capture_output=True)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    @staticmethod
    def sign_in(connection, email, password=PASSWORD):
        connection.request("POST", "/api/v1/auth/login", json.dumps({"email": email, "password": password}), {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def sign_ins(self, until, counted):
        """One after another, each thread as other people."""
        def work(number):
            connection, turn = self.connect(), number
            while time.monotonic() < until:
                status, said = self.sign_in(connection, self.people[turn % len(self.people)])
                if status != 200:
                    sys.exit(f"a sign-in was answered {status}: {said}")
                counted[number] += 1
                turn += 2 * CORES
        return [threading.Thread(target=work, args=(number,), daemon=True) for number in range(2 * CORES)]

    def wrong_ones(self, until):
        def work(number):
            connection, at, sent = self.connect(), time.monotonic(), 0
            while time.monotonic() < until:
                self.sign_in(connection, f"nobody{number}-{sent}@load.test", "a wrong password")
                sent += 1
                time.sleep(max(0, at + sent * 32 / WRONG_A_SECOND - time.monotonic()))
        return [threading.Thread(target=work, args=(number,), daemon=True) for number in range(32)]

    def read(self, until):
        """p50 and p99 in milliseconds, one request after another."""
        connection, took = self.connect(), []
        while time.monotonic() < until:
            begun = time.monotonic()
            connection.request("GET", READER, headers={"authorization": f"Bearer {self.token}"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                sys.exit(f"the reader was answered {answer.status}")
            took.append(1e3 * (time.monotonic() - begun))
        cuts = statistics.quantiles(took, n=100)
        return cuts[49], cuts[98]


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--seconds", type=float, default=5)
    parse.add_argument("--passes", type=int, default=3)
    parse.add_argument("--tincture", type=pathlib.Path, default=ROOT / "target/release/tincture")
    options = parse.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    place = WORK / "argon2"
    if not (place / "bin/python").exists():
        venv.create(place, with_pip=True)
    subprocess.run([place / "bin/pip", "install", "--quiet", ARGON2], check=True)
    lab = Lab(options.tincture)
    figures = {name: [] for name in ("argon2id", "sign-ins", "alone", "signing in", "wrong ones")}
    for _ in range(options.passes):
        figures["argon2id"].append(argon2_alone(place / "bin/python", options.seconds))
        counted, until = [0] * (2 * CORES), time.monotonic() + options.seconds
        threads = lab.sign_ins(until, counted)
        [thread.start() for thread in threads], [thread.join() for thread in threads]
        figures["sign-ins"].append(sum(counted) / options.seconds)
        figures["alone"].append(lab.read(time.monotonic() + options.seconds))
        for name, others in (("signing in", lambda until: lab.sign_ins(until, [0] * (2 * CORES))), ("wrong ones", lab.wrong_ones)):
            until = time.monotonic() + options.seconds
            threads = others(until)
            [thread.start() for thread in threads]
            figures[name].append(lab.read(until))
            [thread.join() for thread in threads]
    alone, ours = statistics.median(figures["argon2id"]), statistics.median(figures["sign-ins"])
    print(f"| argon2id alone, {CORES} threads | {alone:.1f}/s |\n|---|---|\n| sign-ins | {ours:.1f}/s: {ours / alone:.0%} |")
    for name in ("alone", "signing in", "wrong ones"):
        p50, p99 = (statistics.median(column) for column in zip(*figures[name]))
        print(f"| a reader, {name} | p50 {p50:.1f} ms, p99 {p99:.1f} ms |")
    lab.server.stop()


if __name__ == "__main__":
    main()
