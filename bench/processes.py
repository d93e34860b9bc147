"""Processes of the benchmark: started on their core, asked what they cost, stopped."""

import http.client
import json
import os
import pathlib
import queue
import re
import resource
import socket
import string
import subprocess
import threading
import time

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
PROXY_CORE, LOAD_CORE = "0", "1"
KEY, PLAIN_KEY = "bench-key-0123456789abcdef", "plain-key-0123456789abcdef"
ADMIN_TOKEN = "bench-admin-0123456789abcdef"
TICK = os.sysconf("SC_CLK_TCK")
START_SECONDS_MAX = 30


class Process:
    """One process on one core; everything that it writes is read, so that it never blocks."""

    def __init__(self, core, command, cwd, env=None):
        self.started = time.perf_counter()
        self.child = subprocess.Popen(
            ["taskset", "-c", core, *map(str, command)],
            cwd=cwd, env={**os.environ, **(env or {})}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        self.pid = self.child.pid
        self.lines = queue.Queue(10_000)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.child.stdout:
            if not self.lines.full():
                self.lines.put(line)
        self.lines.put(None)

    def line(self, pattern, seconds=START_SECONDS_MAX):
        """What the first line that matches says; an error with all that came before, if none."""
        before, deadline = [], time.monotonic() + seconds
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise RuntimeError(f"no line {pattern!r} in:\n{''.join(before)}")
            before.append(line)
            if found := re.search(pattern, line):
                return found[1] if found.groups() else found[0]

    def stop(self):
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Proxy:
    """Something that is measured: where it listens, and the process that does the work."""

    def __init__(self, name, json_address, streams_address, process=None, pid=None):
        self.name, self.process = name, process
        self.addresses = {"json": json_address, "streams": streams_address}
        self.pid = pid or (process and process.pid)

    def url(self, which):
        return f"http://{self.addresses[which]}/v1/chat/completions"

    def cpu(self):
        """Seconds of processor time so far: 0 for no proxy at all."""
        if not self.pid:
            return 0.0
        stat = pathlib.Path(f"/proc/{self.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory(self, field="VmRSS"):
        """Megabytes (10^6) of `field` in /proc/PID/status."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) * 1024 / 1e6

    def stop(self):
        if self.process:
            self.process.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def provider(binaries, directory, *options):
    process = Process(LOAD_CORE, [binaries / "examples/provider", "--forget", *options], directory)
    address = process.line(r"listening on http://(\S+)")
    process.address = address
    return process


def gateway(binaries, directory, providers, log, everybody, more_tiers=""):
    """A fresh gateway with an empty journal, and with one limit for everybody together."""
    directory = pathlib.Path(directory)
    directory.mkdir()
    config = directory / "tollgate.yaml"
    fill("tollgate.yaml.template", config, dir=directory, everybody=everybody,
         more_tiers=more_tiers, **providers)
    env = {"BENCH_KEY": KEY, "BENCH_PLAIN_KEY": PLAIN_KEY, "RUST_LOG": log,
           "BENCH_ADMIN_TOKEN": ADMIN_TOKEN}
    command = [binaries / "tollgate", "serve", "--config", config, "--threads", "1"]
    process = Process(PROXY_CORE, command, directory, env)
    address = process.line(r"listening on http://(\S+)")
    gate = Proxy("tollgate", address, address, process)
    gate.config, gate.admin = config, process.line(r"admin on http://(\S+)")
    return gate


def nginx(directory, json_address, streams_address):
    directory = pathlib.Path(directory)
    directory.mkdir()
    ports = [free_port(), free_port()]
    config = directory / "nginx.conf"
    user = "root" if os.geteuid() == 0 else "nobody"
    fill("nginx.conf.template", config, dir=directory, json=json_address, user=user,
         streams=streams_address, json_port=ports[0], streams_port=ports[1])
    process = Process(PROXY_CORE, ["nginx", "-p", directory, "-c", config], directory)
    for port in ports:
        wait_for_port(port)
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    worker = int(children.split()[0])
    return Proxy("nginx", *(f"127.0.0.1:{port}" for port in ports), process, worker)


def fill(template, to, **words):
    text = string.Template((HERE / template).read_text())
    to.write_text(text.substitute({name: str(word) for name, word in words.items()}))


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for_port(port):
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise RuntimeError(f"nothing listens on port {port}")


def wrk(url, bodies, connections, seconds):
    """One run of wrk; times in microseconds."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency",
               "-s", HERE / "chat.lua", url, "--", bodies, KEY]
    process = Process(LOAD_CORE, command, HERE)
    seen = json.loads(process.line(r"^(\{.*\})$", seconds + START_SECONDS_MAX))
    process.child.wait()
    if seen["failed"]:
        raise RuntimeError(f"{url}: {seen['failed']} of {seen['requests']} failed")
    return seen


def load(binaries, url, *options, model="gpt-4.1"):
    """One run of the load in streams, or by the clock; times in microseconds."""
    command = [binaries / "examples/load", url, "--key", KEY, "--model", model, *options]
    process = Process(LOAD_CORE, command, HERE)
    seen = json.loads(process.line(r"^(\{.*\})$", 300))
    process.child.wait()
    return seen


def ask(address, path, key=None, body=None):
    """One request on a connection of its own: its status and the bytes of its answer."""
    connection = http.client.HTTPConnection(address, timeout=START_SECONDS_MAX)
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    connection.request("POST" if body else "GET", path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, text


def open_files_max():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
