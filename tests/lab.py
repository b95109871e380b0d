"""`tincture up` as a process of a test's, asked over its API: for the fuzzer and for what watches over a lab."""

import json
import os
import signal
import subprocess
import time
import urllib.request

PASSWORD = "quite long enough"
ADMINISTRATOR = "admin@localhost"
OCHRE = {"volumes": {"red": 60, "yellow": 30, "blue": 60}}


class Lab:
    """A lab in this directory, on ports of its own, with nothing inherited that would configure it. Ended by `stop`."""

    def __init__(self, binary, directory, settings=None):
        self.binary = binary
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("TINCTURE_")}
        self.environment |= {
            "TINCTURE_LOG": "warn",
            "TINCTURE_ADMIN_PASSWORD": PASSWORD,
            "TINCTURE_DATA_DIR": str(directory / "data"),
            "TINCTURE_ROBOT_LISTEN": "127.0.0.1:0",
            "TINCTURE_SENSOR_LISTEN": "127.0.0.1:0",
        } | (settings or {})
        self.log = directory / "tincture.log"
        command = [binary, "up", "--listen", "127.0.0.1:0", "--speed", "600"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True)
        self.base = self.address()
        self.administrator = self.sign_in(ADMINISTRATOR)

    def address(self):
        for line in self.process.stdout:
            if "is ready: " in line:
                return line.split("is ready: ")[1].strip()
        raise SystemExit(f"The lab didn't start:\n{self.log.read_text()}")

    def ask(self, path, body=None, token=None):
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base}/api/v1{path}", data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            text = response.read()
        return json.loads(text) if text else None

    def sign_in(self, email):
        return self.ask("/auth/login", {"email": email, "password": PASSWORD})["access_token"]

    def wait(self, experiment, status, token):
        deadline = time.monotonic() + 120
        while self.ask(f"/experiments/{experiment}", token=token)["status"] != status:
            if time.monotonic() > deadline:
                raise SystemExit(f"The experiment isn't {status}:\n{self.log.read_text()}")
            time.sleep(0.2)
        return experiment

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
