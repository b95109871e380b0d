"""The door (deploy/kubernetes/base/door/nginx.conf) as a real nginx before a stand-in of the lab: who it says has asked, what it keeps inside,
whom it lets through to Prefect, that a live stream isn't held back."""
from __future__ import annotations
import http.client, http.server, pathlib, re, shutil, socket, subprocess, tempfile, threading, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


class Lab(http.server.BaseHTTPRequestHandler):
    """Answers with what it was told of the request; signs in whoever shows the cookie `tincture_session=good`."""
    protocol_version = "HTTP/1.1"
    name = "lab"

    def do_GET(self) -> None:
        if self.path == "/auth/verify":
            signed_in = "tincture_session=good" in self.headers.get("Cookie", "")
            self.answer(200 if signed_in else 401, b"", {} if signed_in else {"X-Tincture-Sign-In": "https://lab.example.org/sign-in?to=%2Fprefect%2F"})
        elif self.path == "/stream":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"5\r\nfirst\r\n")
            self.wfile.flush()
            self.server.held.wait(20)  # type: ignore[attr-defined]
            self.wfile.write(b"0\r\n\r\n")
        else:
            told = f"{self.name} {self.path} for={self.headers.get('X-Forwarded-For')} proto={self.headers.get('X-Forwarded-Proto')} cookie={self.headers.get('Cookie')} authorization={self.headers.get('Authorization')}"
            self.answer(200, told.encode(), {})

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Prefect(Lab):
    name = "prefect"


def serve(handler: type[Lab]) -> http.server.ThreadingHTTPServer:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.held = threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def ask(port: int, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), dict(answer.getheaders())


def hold(condition: bool, what: str, seen: object) -> None:
    if not condition:
        raise SystemExit(f"door: {what}: {seen}")


def check(port: int, lab: http.server.ThreadingHTTPServer) -> None:
    # The balancer writes the client and then itself; whatever the client wrote of itself comes before both.
    _, told, _ = ask(port, "/api/v1/queue?limit=1", X_Forwarded_For="6.6.6.6, 203.0.113.9, 198.51.100.7", Cookie="tincture_session=good")
    hold(told == "lab /api/v1/queue?limit=1 for=203.0.113.9 proto=https cookie=tincture_session=good authorization=None", "the lab isn't told who asks", told)
    for path in ("/metrics", "/metrics/service", "/metrics?x"):
        hold(ask(port, path)[0] == 404, "figures are public", path)
    status, _, headers = ask(port, "/prefect/")
    hold(status == 303 and headers.get("Location", "").startswith("https://lab.example.org/sign-in"), "nobody gets to Prefect without a sign-in, and is sent there", (status, headers))
    status, told, _ = ask(port, "/prefect/api/health", Cookie="a=1; tincture_session=good; b=2", Authorization="Bearer tct_secret")
    hold(status == 200 and told.startswith("prefect /prefect/api/health") and "proto=https" in told and "tincture_session" not in told and "secret" not in told, "who is signed in gets to Prefect, their cookie and token don't", (status, told))
    hold(ask(port, "/auth/verify")[0] == 404, "whether somebody is signed in is the door's to ask", "/auth/verify")
    hold(ask(port, "/door")[0] == 200, "the door says that it is open", "/door")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/stream")
    first = connection.getresponse().read(5)
    lab.held.set()  # type: ignore[attr-defined]
    hold(first == b"first", "a stream is held back", first)
    lab.shutdown()
    lab.server_close()
    status, said, headers = ask(port, "/experiments")
    hold(status == 503 and headers.get("Retry-After") == "5" and "try again" in said, "while the lab is away it says when to come again", (status, said, headers))


def main() -> None:
    lab, prefect, port = serve(Lab), serve(Prefect), free_port()
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        # Started as root, nginx works as nobody.
        place.chmod(0o755)
        configuration = re.sub(r"(?<=[ ])/tmp/", f"{place}/", (ROOT / "deploy/kubernetes/base/door/nginx.conf").read_text())
        # This machine stands for the balancer's machines, 198.51.100.7 for its address.
        (place / "balancer.conf").write_text("set_real_ip_from 198.51.100.7 ;\nset_real_ip_from 127.0.0.1;\n")
        replaced = {
            "server api:8080;": f"server 127.0.0.1:{lab.server_port};", "http://prefect:4200": f"http://127.0.0.1:{prefect.server_port}",
            "listen 8080;": f"listen 127.0.0.1:{port};", "/etc/nginx/balancer.conf": f"{place}/balancer.conf",
        }
        for old, new in replaced.items():
            hold(old in configuration, "nginx.conf isn't what this test knows", old)
            configuration = configuration.replace(old, new)
        (place / "nginx.conf").write_text(configuration)
        nginx = subprocess.Popen([NGINX, "-e", "/dev/stderr", "-p", folder, "-c", f"{place}/nginx.conf", "-g", "daemon off;"], stderr=subprocess.PIPE, text=True)
        try:
            for _ in range(200):
                if nginx.poll() is not None:
                    raise SystemExit(f"nginx doesn't start: {nginx.stderr.read() if nginx.stderr else ''}")
                with socket.socket() as attempt:
                    if attempt.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            check(port, lab)
        finally:
            nginx.terminate()
            nginx.wait(10)
    print("the door says who asks, keeps figures inside, and lets operators to Prefect")


if __name__ == "__main__":
    main()
