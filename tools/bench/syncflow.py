"""The release program, run as a user would run it."""

import contextlib
import http.client
import json
import pathlib
import re
import signal
import subprocess
import tempfile
import time

from measure import fail, timed

READY_WITHIN_SECONDS = 30


class Project:
    """A folder with a syncflow.yaml and a store of its own. Keep it by `with`: it goes when that ends."""

    def __init__(self, program, connections, syncs, **settings):
        self.program = program
        self.config = {"version": 1, "store": "sqlite:syncflow.db", "connections": connections, "syncs": syncs, **settings}

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="syncflow-bench.")
        self.folder = pathlib.Path(self.temporary.name)
        self.file = self.folder / "syncflow.yaml"
        self.file.write_text(json.dumps(self.config))  # JSON is YAML
        return self

    def __exit__(self, *_):
        self.temporary.cleanup()

    def run(self):
        """`syncflow run`: how it went, and the line of its last sync. Completed, or the benchmarks stop."""
        went = timed([self.program, "run", "-c", str(self.file), "--json"], cwd=self.folder)
        report = json.loads(went.output.splitlines()[-1])
        if report["status"] != "completed" or report["quarantined"] != 0:
            fail(f"the run did not complete: {report}")
        return went, report

    def verify(self, equal=True):
        """`syncflow verify`: how it went, and what it found. Equal, or not, or the benchmarks stop."""
        name = self.config["syncs"][0]["name"]
        went = timed([self.program, "verify", "-c", str(self.file), "--sync", name, "--json"], cwd=self.folder,
                     ends_with=0 if equal else 3)
        return went, json.loads(went.output.splitlines()[-1])

    @contextlib.contextmanager
    def serve(self):
        """`syncflow serve`, ready; stopped at the end."""
        with open(self.folder / "serve.log", "w", encoding="utf-8") as log:
            began = time.monotonic()
            process = subprocess.Popen([self.program, "serve", "-c", str(self.file), "--listen", "127.0.0.1:0", "--json"],
                                       cwd=self.folder, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            line = process.stdout.readline()
            if not line:
                fail(f"serve ended at its start: {(self.folder / 'serve.log').read_text()}")
            service = Service(process, json.loads(line)["listening"])
            service.await_ready()
            service.ready_seconds = time.monotonic() - began
            yield service
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()


class Service:
    """A `serve` that runs."""

    def __init__(self, process, url):
        self.process = process
        self.address = url.removeprefix("http://")
        self.ready_seconds = None

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.address, timeout=10)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null") if answer.headers.get_content_type().endswith("json") else None
        finally:
            connection.close()

    def await_ready(self):
        give_up = time.monotonic() + READY_WITHIN_SECONDS
        while time.monotonic() < give_up:
            with contextlib.suppress(OSError):
                if self.ask("GET", "/readyz")[0] == 200:
                    return
            time.sleep(0.001)
        fail(f"serve was not ready after {READY_WITHIN_SECONDS} s")

    def memory_mib(self):
        """Now resident, of it anonymous, and the highest resident so far."""
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as status:
            fields = dict(re.findall(r"^(VmRSS|RssAnon|VmHWM):\s+(\d+) kB", status.read(), re.M))
        return {name: int(fields[field]) / 1024
                for name, field in (("resident", "VmRSS"), ("anonymous", "RssAnon"), ("highest", "VmHWM"))}


def one_table(source, destination, **mapping):
    """The syncs of a config that carries one table from the connection `from` to `to`."""
    return [{"name": "accounts", "source": "from", "destination": "to",
             "tables": [{"source": source, "destination": destination, **mapping}]}]
