"""The real binary and a scripted provider, each a process of its own on a free port.

`TOLLGATE` and `PROVIDER` name the two programs; `cargo xtask e2e` sets them.
"""

import json
import os
import queue
import re
import signal
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import anthropic
import cohere
import google.genai
import openai

START_SECONDS_MAX = 30
ADMIN_TOKEN = "admin-token-of-the-e2e-tests"
KEYS = {
    "APP_KEY": "key-of-the-app-0123456789",
    "NARROW_KEY": "key-of-the-narrow-tier-01",
    "PROVIDER_KEY": "key-of-the-provider-01234",
}
NAMES = [
    "a-model-without-a-price",
    "gpt-4o",
    "gpt-4o-mini",
    "omni-moderation-latest",
    "text-embedding-3-small",
]
CLAUDE = "claude-haiku-4-5"
MODELS = "".join(f"  {name}: {{serve: [scripted/{name}]}}\n" for name in NAMES)
COMMAND, EMBED, RERANK = "command-a-03-2025", "embed-v4.0", "rerank-v3.5"
GEMINI = "gemini-2.5-flash"
DEPLOYMENT = "azure-4o"
OTHERS = {CLAUDE: "claude", COMMAND: "cohere", EMBED: "cohere", RERANK: "cohere", GEMINI: "gemini"}
MODELS += "".join(f"  {name}: {{serve: [{at}/{name}]}}\n" for name, at in OTHERS.items())
MODELS += f"  {DEPLOYMENT}: {{serve: [azure/gpt-4o]}}\n"


class Program:
    """A process that says on its output when it is ready."""

    def __init__(self, command, environment):
        self.lines = []
        self._news = queue.Queue()
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)
            self._news.put(line)
        self._news.put(None)

    def address(self, pattern):
        """The first group of the first line, said from now on, that matches `pattern`."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                line = self._news.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f"never said {pattern!r}:\n{self.output()}")
            if found := re.search(pattern, line):
                return found.group(1)

    def output(self):
        return "".join(self.lines)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        if self.process.poll() is None:
            self.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.kill()


class Provider(Program):
    """The scripted provider. Prompts steer it: `[[tokens:500]]`, `[[fault:reset]]`."""

    def __init__(self):
        super().__init__([os.environ["PROVIDER"], "--port", "0"], {})
        self.root = self.address(r"(http://\d+\.\d+\.\d+\.\d+:\d+)")
        self.url = self.root + "/v1"

    def counters(self):
        """What it has been asked and has billed: `seen`, `streams_max`, `billed_tokens`, …"""
        return self._books("counters")

    def seen(self):
        """Every request, in order."""
        return self._books("seen")

    def _books(self, page):
        with urllib.request.urlopen(f"{self.root}/_sim/{page}", timeout=10) as answer:
            return json.load(answer)


class Gateway(Program):
    """`tollgate serve` with the given limits."""

    def __init__(self, provider, folder, *, limits=(), tail="", journal=None):
        self.folder = Path(folder)
        config = self.folder / "tollgate.yaml"
        config.write_text(configuration(provider, limits, tail, journal))
        environment = {**KEYS, "TOLLGATE_ADMIN_TOKEN": ADMIN_TOKEN, "NO_COLOR": "1"}
        super().__init__([os.environ["TOLLGATE"], "serve", "--config", str(config)], environment)
        where = {}
        for _ in range(2):
            # The order in which the two planes come up is nobody's promise.
            line = self.address(r"((?:listening|admin) on http://[^\s\"]+)")
            plane, url = line.split(" on ")
            where[plane] = url.rstrip("/.,")
        self.url, self.admin = where["listening"], where["admin"]

    def client(self, key="APP_KEY", **options):
        options.setdefault("max_retries", 0)
        options.setdefault("timeout", 30)
        return openai.OpenAI(base_url=self.url + "/v1", api_key=KEYS.get(key, key), **options)

    def anthropic(self, key="APP_KEY", **options):
        options.setdefault("max_retries", 0)
        options.setdefault("timeout", 30)
        return anthropic.Anthropic(base_url=self.url, api_key=KEYS.get(key, key), **options)

    def cohere(self, key="APP_KEY", **options):
        options.setdefault("max_retries", 0)
        options.setdefault("timeout", 30)
        return cohere.ClientV2(base_url=self.url, api_key=KEYS.get(key, key), **options)

    def gemini(self, key="APP_KEY", **options):
        http = {"base_url": self.url, "timeout": 30_000, **options}
        return google.genai.Client(api_key=KEYS.get(key, key), http_options=http)

    def azure(self, key="APP_KEY", **options):
        options.setdefault("max_retries", 0)
        options.setdefault("timeout", 30)
        options.setdefault("api_version", "2024-10-21")
        secret = KEYS.get(key, key)
        return openai.AzureOpenAI(azure_endpoint=self.url, api_key=secret, **options)

    def metric(self, name, labels=""):
        """The sum of a metric over all of its labels that contain `labels`."""
        request = urllib.request.Request(self.admin + "/metrics")
        request.add_header("Authorization", f"Bearer {ADMIN_TOKEN}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read().decode()
        lines = [line for line in text.splitlines() if re.match(rf"{name}(\{{|\s)", line)]
        return sum(float(line.split()[-1]) for line in lines if labels in line)

    def explain(self, key="app", model="gpt-4o-mini"):
        """What `tollgate explain` says of a request now."""
        words = ["explain", "--config", str(self.folder / "tollgate.yaml"), "--admin", self.admin]
        command = [os.environ["TOLLGATE"], *words, "--key", key, "--model", model, "--json"]
        environment = {**os.environ, **KEYS, "TOLLGATE_ADMIN_TOKEN": ADMIN_TOKEN}
        said = subprocess.run(command, env=environment, stdout=subprocess.PIPE, timeout=30)
        assert said.returncode == 0, said
        return json.loads(said.stdout)

    def limits(self):
        return self.client().get("/limits", cast_to=object)["limits"]


def configuration(provider, limits, tail, journal):
    sentences = "".join(f"      - {limit}\n" for limit in limits) or "      []\n"
    return f"""\
listen: 127.0.0.1:0
admin: 127.0.0.1:0
admin_token: ${{TOLLGATE_ADMIN_TOKEN}}
data: "{journal or ':memory:'}"
retry: {{attempts: 1}}
breaker: {{failures: 100, error_rate: 100%}}
providers:
  scripted:
    kind: openai
    base_url: {provider.url}
    api_key: ${{PROVIDER_KEY}}
    on_disconnect: cancel
  claude:
    kind: anthropic
    base_url: {provider.root}
    api_key: ${{PROVIDER_KEY}}
    on_disconnect: cancel
  cohere:
    kind: cohere
    base_url: {provider.root}
    api_key: ${{PROVIDER_KEY}}
  gemini:
    kind: gemini
    base_url: {provider.root}
    api_key: ${{PROVIDER_KEY}}
  azure:
    kind: azure-openai
    base_url: {provider.root}
    api_key: ${{PROVIDER_KEY}}
models:
{MODELS}tiers:
  open:
    models: [{", ".join([*NAMES, *OTHERS, DEPLOYMENT])}]
    limits:
{sentences}  narrow:
    models: [gpt-4o-mini, {CLAUDE}, {COMMAND}, {GEMINI}]
    guardrails: {{max_input_tokens: 100, tools: [search]}}
keys:
  - {{name: app, secret: "${{APP_KEY}}", tier: open}}
  - {{name: narrow, secret: "${{NARROW_KEY}}", tier: narrow}}
{tail}"""


def ask(client, text="Say hello.", model="gpt-4o-mini", **options):
    """One chat request."""
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(model=model, messages=messages, **options)


def say(client, text="Say hello.", **options):
    """One message in Anthropic's protocol."""
    options.setdefault("max_tokens", 200)
    messages = [{"role": "user", "content": text}]
    return client.messages.create(model=CLAUDE, messages=messages, **options)


class Watch:
    """What went over the wire: when each attempt left, and what came back."""

    def __init__(self):
        self.sent = []
        self.answers = []

    def client(self, of=openai):
        hooks = {"request": [self._sent], "response": [self._answered]}
        return of.DefaultHttpxClient(event_hooks=hooks)

    def _sent(self, _request):
        self.sent.append(time.monotonic())

    def _answered(self, response):
        self.answers.append((time.monotonic(), response.status_code, response.headers))
