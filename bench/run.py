#!/usr/bin/env python3
"""The whole process under load, against nginx as a plain reverse proxy, as ratios in one run.

The proxy has core 0; load and scripted provider share core 1. nginx, the gateway and no proxy at
all take turns; medians of the turns count. `python3 bench/run.py --help` lists what it takes;
docs/benchmarks.md says how to read it. Needs Linux with two cores, nginx and wrk.
"""

import argparse
import datetime
import json
import os
import pathlib
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import processes
from processes import ADMIN_TOKEN, KEY, PLAIN_KEY, ROOT, Proxy, ask, gateway, load, nginx, provider, wrk

BIG_BYTES, SMALL_BYTES, BODIES, BIG_BODIES = 1_000_000, 1024, 64, 8
STREAMS, HELD = 200, 1000


def median(runs, name):
    return statistics.median(run[name] for run in runs)


def say(text):
    print(f"{datetime.datetime.now():%H:%M:%S} load {os.getloadavg()[0]:5.2f}  {text}",
          file=sys.stderr, flush=True)


class Bench:
    """What all rows share: binaries, a directory, two providers, and the rows so far."""

    def __init__(self, options, directory):
        self.options, self.directory = options, pathlib.Path(directory)
        self.binaries = ROOT / "target" / options.profile
        self.rows, self.gateways = [], 0
        self.json = provider(self.binaries, directory, "--fixed", "1024")
        self.streams = provider(self.binaries, directory, "--tokens", "100", "--gap-ms", "5")
        self.direct = Proxy("direct", self.json.address, self.streams.address)

    def row(self, what, target, figure, is_met=None):
        met = {True: "yes", False: "**no**", None: "–"}[is_met]
        self.rows.append(f"| {what} | {target} | {figure} | {met} |")
        say(f"{what}: {figure} (must reach {target}: {met})")

    def gateway(self, log="warn", everybody="$100000000 per month", more_tiers=""):
        self.gateways += 1
        return gateway(self.binaries, self.directory / f"gate{self.gateways}",
                       self.direct.addresses, log, everybody, more_tiers)

    def nginx(self):
        self.gateways += 1
        return nginx(self.directory / f"nginx{self.gateways}",
                     self.json.address, self.streams.address)

    def bodies(self):
        """Chat requests of 1 KB, and of 1 MB: windows of the English of this repository."""
        pages = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]
        prose = re.sub(r"\s+", " ", " ".join(page.read_text() for page in pages))
        words, dice = prose.split(" "), random.Random(1)
        small, big = self.directory / "small", self.directory / "big"
        small.mkdir()
        big.mkdir()
        for number in range(BODIES):
            at = dice.randrange(len(prose) - SMALL_BYTES)
            write_body(small / f"{number}.json", prose[at:], SMALL_BYTES)
        for number in range(BIG_BODIES):
            text = " ".join(dice.choices(words, k=BIG_BYTES // 3))
            write_body(big / f"{number}.json", text, BIG_BYTES)
        return small, big

    def stop(self):
        self.json.stop()
        self.streams.stop()


def write_body(path, text, size):
    """A request whose body is `size` bytes, or just under where a letter has several."""
    def body(content):
        message = {"role": "user", "content": content}
        request = {"model": "gpt-4.1-mini", "max_tokens": 256, "messages": [message]}
        return json.dumps(request, ensure_ascii=False).encode()

    text = text[:size]
    while len(body(text)) > size:
        text = text[: len(text) - max(1, (len(body(text)) - size) // 4)]
    path.write_bytes(body(text))


def turns(bench, proxies, run):
    """`run` of each proxy in turn, so that what else the machine does hits all alike."""
    seen = {proxy.name: [] for proxy in proxies}
    for number in range(bench.options.rounds):
        for proxy in proxies:
            before = proxy.cpu()
            one = run(proxy)
            one["cpu"] = proxy.cpu() - before
            seen[proxy.name].append(one)
            say(f"turn {number + 1} {proxy.name}: {json.dumps(one)}")
    return seen


def chat(bench, small):
    """Whole answers: 64 connections, then one."""
    seconds = bench.options.seconds
    with bench.nginx() as plain, bench.gateway() as gate, bench.gateway("info") as logging:
        logging.name = "tollgate with access log"
        all_of_them = [plain, gate, logging, bench.direct]
        for proxy in all_of_them:
            wrk(proxy.url("json"), small, 64, 1)
        many = turns(bench, all_of_them, lambda proxy: each(wrk(proxy.url("json"), small, 64, seconds)))
        for runs in many.values():
            for run in runs:
                run["cpu"] = run["cpu"] * 1e6 / run["requests"]
        one = turns(bench, [plain, gate, bench.direct],
                    lambda proxy: each(wrk(proxy.url("json"), small, 1, seconds)))
    rate = {name: median(runs, "rate") for name, runs in many.items()}
    cpu = {name: median(runs, "cpu") for name, runs in many.items()}
    share = rate["tollgate"] / rate["nginx"]
    figures = f"{rate['tollgate']:,.0f} against {rate['nginx']:,.0f} a second"
    bench.row("chat, 1 KB in and out, all limits of a tier, journal on, 64 connections: requests "
              "against nginx", "≥ 0.5", f"{share:.2f} ({figures}; direct {rate['direct']:,.0f})",
              share >= 0.5)
    bench.row("the same: CPU a request", "–",
              f"{cpu['tollgate']:.1f} µs (nginx {cpu['nginx']:.1f} µs)")
    bench.row("the same, with the access log on", "–",
              f"{rate[logging.name] / rate['nginx']:.2f}, {cpu[logging.name]:.1f} µs")
    tail = {name: median(runs, "p99") / 1000 for name, runs in many.items()}
    bench.row("the same: p99 at 64 connections", "–",
              f"{tail['tollgate']:.2f} ms (nginx {tail['nginx']:.2f}, direct {tail['direct']:.2f})")
    half = {name: median(runs, "p50") for name, runs in one.items()}
    added = {name: half[name] - half["direct"] for name in ("nginx", "tollgate")}
    more = half["tollgate"] - half["nginx"]
    bench.row("the same, one connection: added median against what nginx adds", "+ ≤ 30 µs",
              f"+ {more:.0f} µs (tollgate adds {added['tollgate']:.0f}, nginx {added['nginx']:.0f}, "
              f"direct {half['direct']:.0f})", more <= 30)


def each(seen):
    seen["rate"] = seen["requests"] * 1e6 / seen["us"]
    return seen


def streams(bench):
    options = ["--streams", STREAMS, "--rounds", bench.options.stream_rounds, "--gap-ms", 5]

    def run(proxy):
        seen = load(bench.binaries, proxy.url("streams"), *options)
        return {"first": seen["first_byte"]["p50"], "total": seen["total"]["p50"],
                "gap": seen["gap"]["p50"], "off": seen["gap_off"]["p50"],
                "off99": seen["gap_off"]["p99"], "streams": seen["streams"],
                "events": seen["events"]}

    with bench.nginx() as plain, bench.gateway() as gate:
        for proxy in (plain, gate, bench.direct):
            run(proxy)
        seen = turns(bench, [plain, gate, bench.direct], run)
    by = {name: {key: median(runs, key) for key in runs[0]} for name, runs in seen.items()}
    gate, plain, direct = by["tollgate"], by["nginx"], by["direct"]
    later = (gate["first"] - plain["first"]) / 1000
    bench.row(f"{STREAMS} streams of 100 chunks, 5 ms apart: median first byte against nginx",
              "+ ≤ 0.5 ms", f"{later:+.2f} ms ({gate['first'] / 1000:.2f} against "
              f"{plain['first'] / 1000:.2f}, direct {direct['first'] / 1000:.2f})", later <= 0.5)
    ratio = gate["total"] / plain["total"]
    bench.row("the same: total against nginx", "within 1 %",
              f"{(ratio - 1) * 100:+.2f} % ({gate['total'] / 1000:.1f} against "
              f"{plain['total'] / 1000:.1f} ms)", ratio - 1 <= 0.01)
    off = (gate["off99"] - direct["off99"]) / 1000
    bench.row("the same: gaps between chunks against the provider's, p99", "within 1 ms",
              f"{off:+.2f} ms (off the script by {gate['off99'] / 1000:.2f}, straight "
              f"{direct['off99'] / 1000:.2f}, nginx {plain['off99'] / 1000:.2f})", off <= 1)
    cost = {name: one["cpu"] * 1e6 / one["streams"] for name, one in by.items()}
    ratio = cost["tollgate"] / cost["nginx"]
    bench.row("the same: CPU a stream against nginx", "≤ 1.3",
              f"{ratio:.2f} ({cost['tollgate']:.0f} against {cost['nginx']:.0f} µs)", ratio <= 1.3)


def small_chat(model):
    message = {"role": "user", "content": "How far is the Moon, and how long does light take?"}
    return json.dumps({"model": model, "max_tokens": 64, "messages": [message]})


def answered(gate, key, model):
    status, text = ask(gate.addresses["json"], "/v1/chat/completions", key, small_chat(model))
    if status != 200:
        raise RuntimeError(f"{model}: {status} {text[:500]}")


def memory(bench):
    with bench.gateway() as gate:
        ask(gate.addresses["json"], "/healthz")
        before = gate.memory()
        bench.row("memory before the first count", "≤ 40 MB", f"{before:.1f} MB", before <= 40)
        answered(gate, KEY, "gpt-4.1-mini")
        one = gate.memory()
        answered(gate, KEY, "gpt-4-turbo")
        both, peak = gate.memory(), gate.memory("VmHWM")
        bench.row("memory with both vocabularies", "≤ 150 MB",
                  f"{both:.1f} MB (peak {peak:.1f}; with one {one:.1f})", both <= 150)
        command = [bench.binaries / "examples/load", gate.url("streams"), "--key", KEY,
                   "--model", "gpt-4.1", "--streams", HELD, "--prompt", "[[hold:3]]", "--hold"]
        with processes.Process(processes.LOAD_CORE, command, bench.directory) as held:
            held.line("^open", 60)
            added = gate.memory() - both
        ask(bench.streams.address, "/_sim/release", body="{}")
        bench.row(f"memory that {HELD:,} open streams add", "≤ 60 MB",
                  f"{added:.1f} MB ({added * 1000 / HELD:.0f} KB each)", added <= 60)


def start(bench):
    healthy, first, counted = [], [], []
    for _ in range(bench.options.rounds * 2 - 1):
        # Without a limit on money or tokens nothing is counted, so no vocabulary is loaded.
        with bench.gateway(everybody="1000M requests per minute") as gate:
            since = lambda: (time.perf_counter() - gate.process.started) * 1000
            ask(gate.addresses["json"], "/healthz")
            healthy.append(since())
            answered(gate, PLAIN_KEY, "gpt-4.1-mini")
            first.append(since())
            before = time.perf_counter()
            answered(gate, KEY, "gpt-4.1-mini")
            cold = time.perf_counter() - before
            before = time.perf_counter()
            answered(gate, KEY, "gpt-4.1-mini")
            counted.append((cold - (time.perf_counter() - before)) * 1000)
    took = statistics.median(first)
    bench.row("start to first answer", "≤ 100 ms",
              f"{took:.0f} ms (to /healthz {statistics.median(healthy):.0f} ms)", took <= 100)
    bench.row("what the first count adds, with its vocabulary to load", "–",
              f"{statistics.median(counted):.0f} ms")
    size = (bench.binaries / "tollgate").stat().st_size / 1e6
    bench.row(f"{bench.options.profile} binary", "≤ 40 MB", f"{size:.1f} MB", size <= 40)


def big_prompts(bench, small, big):
    seconds = bench.options.seconds

    def run(proxy):
        alone = wrk(proxy.url("json"), small, 1, seconds)
        command = ["wrk", "-t1", "-c1", f"-d{seconds + 2}s", "--timeout", "30s", "-s",
                   processes.HERE / "chat.lua", proxy.url("json"), "--", big, KEY]
        with processes.Process(processes.LOAD_CORE, command, processes.HERE) as other:
            time.sleep(1)
            beside = wrk(proxy.url("json"), small, 1, seconds)
            bigs = json.loads(other.line(r"^(\{.*\})$", 60))
        if bigs["failed"]:
            raise RuntimeError(f"big prompts: {bigs}")
        return {"p50": alone["p50"], "alone": alone["p99"], "beside_p50": beside["p50"],
                "beside": beside["p99"], "bigs": bigs["requests"] / (bigs["us"] / 1e6)}

    with bench.nginx() as plain, bench.gateway() as gate:
        proxies = [gate, plain, bench.direct]
        for proxy in proxies:
            wrk(proxy.url("json"), small, 1, 1)
        seen = turns(bench, proxies, run)
    by = {name: {key: median(runs, key) for key in runs[0]} for name, runs in seen.items()}
    one, added = by["tollgate"], {}
    for name, figures in by.items():
        added[name] = (figures["beside"] - figures["alone"]) / 1000
    bench.row("prompts of 1 MB, one after the other: what they add to other requests, p99 on one "
              "core", "≤ 5 ms", f"{added['tollgate']:+.2f} ms ({one['alone'] / 1000:.2f} → "
              f"{one['beside'] / 1000:.2f}, beside {one['bigs']:.1f} prompts a second; nginx "
              f"{added['nginx']:+.2f}, direct {added['direct']:+.2f})", added["tollgate"] <= 5)


RATE, CONNECTIONS, TIERS = 1000, 50, 1000


def reload(bench):
    """Whole answers asked for by the clock, while a file with 10,000 limits is put in force, and a
    broken one is not, again and again."""
    seconds, every = bench.options.seconds, CONNECTIONS * 1000 // RATE
    options = ["--streams", CONNECTIONS, "--every-ms", every, "--spread-ms", every,
               "--rounds", seconds * 1000 // every]
    limits = ["1000M requests per minute per key", "1000M requests per day per user",
              "1000M tokens per day per user", "1000M tokens per minute per user",
              "$100000 per day per team", "$100000 per month per team", "$100000 per month per org",
              "1k requests at once per key", "1k streams at once per user",
              "100M steps per session"]
    tiers = "".join(f"  tier{number}:\n    models: [gpt-4.1]\n    limits: [{', '.join(limits)}]\n"
                    for number in range(TIERS))
    with bench.gateway(more_tiers=tiers) as gate:
        def run(of):
            stop, changing = threading.Event(), threading.Thread()
            before, slow = stands(gate)["reloads"], slow_inside(gate)
            if of.name == "reloading":
                changing = threading.Thread(target=keep_changing, args=(gate, stop))
                changing.start()
            seen = load(bench.binaries, gate.url("json"), *options, model="gpt-4.1-mini")
            stop.set()
            if changing.ident:
                changing.join()
            time.sleep(1)
            return {**seen["total"], "answers": seen["streams"],
                    "slow_inside": slow_inside(gate) - slow,
                    "reloads": stands(gate)["reloads"] - before}

        load(bench.binaries, gate.url("json"), *options, model="gpt-4.1-mini")
        quiet = Proxy("quiet", None, None, pid=gate.pid)
        reloading = Proxy("reloading", None, None, pid=gate.pid)
        seen = turns(bench, [quiet, reloading], run)
    times, answers = (sum(run[key] for run in seen["reloading"]) for key in ("reloads", "answers"))
    most = {name: max(run["max"] for run in runs) / 1000 for name, runs in seen.items()}
    tail = {name: median(runs, "p99") / 1000 for name, runs in seen.items()}
    late = {name: sum(run["over_5_ms"] for run in runs) for name, runs in seen.items()}
    bench.row(f"{RATE:,} requests a second by the clock, {times} reloads of a file with "
              f"{TIERS * len(limits):,} limits: requests that fail", "0", f"0 of {answers:,}", True)
    slow = {name: sum(run["slow_inside"] for run in runs) for name, runs in seen.items()}
    bench.row("the same: requests that spent more than 5 ms in the gateway; without reloads",
              "none; –", f"{slow['reloading']}; {slow['quiet']}", slow["reloading"] == 0)
    bench.row("the same: whole time from when it was due; without reloads", "–",
              f"p99 {tail['reloading']:.2f}, longest {most['reloading']:.2f} ms, "
              f"{late['reloading']} over 5 ms; {tail['quiet']:.2f}, {most['quiet']:.2f}, "
              f"{late['quiet']}")


def keep_changing(gate, stop):
    """Puts another file in its place every 0.7 s, of which every third is broken."""
    text, number = gate.config.read_text(), 0
    while not stop.wait(0.7):
        number += 1
        amount = f"{100 + number % 9}M steps" if number % 3 else "100M stepps"
        new = gate.config.with_suffix(".new")
        new.write_text(text.replace("100M steps", amount))
        new.rename(gate.config)
        os.kill(gate.pid, signal.SIGHUP)


def slow_inside(gate):
    """How many requests spent more than 5 ms in the gateway itself, as it counts them."""
    page = ask(gate.admin, "/metrics", ADMIN_TOKEN)[1].decode()
    counted = dict(re.findall(r"^tollgate_overhead_seconds_(\S+) (\d+)$", page, re.M))
    return int(counted["count"]) - int(counted['bucket{le="0.005"}'])


def stands(gate):
    """How the configuration of a running gateway stands."""
    status, text = ask(gate.admin, "/api/v1/config", ADMIN_TOKEN)
    if status != 200:
        raise RuntimeError(f"{status} {text[:500]}")
    return json.loads(text)


def machine():
    described = subprocess.run(["lscpu"], capture_output=True, text=True, check=True).stdout
    model = re.search(r"Model name:\s*(.*)", described)[1]
    nginx_version = subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr.strip()
    loads = ", ".join(f"{load:.2f}" for load in os.getloadavg())
    return (f"Machine: {model}, {os.cpu_count()} cores, Linux {os.uname().release}, "
            f"{nginx_version}; load average {loads}; {datetime.date.today()}.")


def first_in_line(nice):
    """Ahead of what else the machine does. Linux weighs sessions first, then processes in them."""
    if os.getpgrp() == os.getpid() and (child := os.fork()):
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os.setsid()
    os.nice(nice)
    sessions = pathlib.Path("/proc/self/autogroup")
    if sessions.exists():
        sessions.write_text(str(nice))


ROWS = ("start", "memory", "chat", "streams", "big", "reload")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="release", help="directory under target/")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each")
    parser.add_argument("--seconds", type=int, default=5, help="length of one run of wrk")
    parser.add_argument("--stream-rounds", type=int, default=5, help="streams in a row, each turn")
    parser.add_argument("--nice", type=int, default=0, help="below 0 on a busy machine, as root")
    parser.add_argument("rows", nargs="*", default=ROWS, metavar="ROW", help=f"of {ROWS}")
    options = parser.parse_args()
    if unknown := set(options.rows) - set(ROWS):
        parser.error(f"no rows {sorted(unknown)}; there are {ROWS}")
    for program in ("nginx", "taskset", "wrk"):
        if not shutil.which(program):
            sys.exit(f"{program} is needed: apt install nginx-light wrk util-linux")
    if options.nice:
        first_in_line(options.nice)
    processes.open_files_max()
    before = machine()
    with tempfile.TemporaryDirectory(prefix="tollgate-bench-") as directory:
        bench = Bench(options, directory)
        try:
            small, big = bench.bodies()
            parts = {"start": lambda: start(bench), "memory": lambda: memory(bench),
                     "chat": lambda: chat(bench, small), "streams": lambda: streams(bench),
                     "big": lambda: big_prompts(bench, small, big),
                     "reload": lambda: reload(bench)}
            for name in ROWS:
                if name in options.rows:
                    parts[name]()
        finally:
            bench.stop()
    print(before)
    print(f"Load average at the end: {', '.join(f'{one:.2f}' for one in os.getloadavg())}.")
    print("\n| what | must reach | measured | met |\n|---|---|---|---|")
    print("\n".join(bench.rows))
    print("\nDecisions, footprint and counting are measured in process: `cargo bench -p "
          "tollgate-limits -p tollgate-store -p tollgate-tokens`, `cargo run --release -p "
          "tollgate-store --example footprint`.")


if __name__ == "__main__":
    main()
