"""Stopping, being killed, and starting again."""

import threading
import time

import openai
import pytest

from harness import ask
from test_limits import today

# The journal promises to forget nothing older than this.
JOURNAL_SECONDS = 0.1


def test_a_drain_finishes_the_stream_and_turns_newcomers_away(gateway):
    gate = gateway("1000 requests per minute")
    client = gate.client()
    stream = ask(client, "[[tokens:150]] [[gap_ms:10]]", stream=True)
    chunks = iter(stream)
    next(chunks)
    gate.terminate()
    turned_away = newcomer(gate)
    assert turned_away.status_code == 503
    assert int(turned_away.response.headers["retry-after"]) >= 1
    rest = list(chunks)
    assert rest[-1].choices[0].finish_reason == "stop", "the stream was cut"
    assert gate.process.wait(timeout=15) == 0, gate.output()


def newcomer(gate):
    """Asks until the drain has begun, and gives the refusal."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            ask(gate.client())
        except openai.APIStatusError as refused:
            return refused
    raise AssertionError("newcomers were admitted during the drain")


def test_a_clean_stop_is_exact(gateway, tmp_path):
    journal = tmp_path / "tollgate.db"
    limit = "20 requests per day per key" + today()
    gate = gateway(limit, journal=journal)
    for _ in range(7):
        ask(gate.client())
    gate.stop()
    again = gateway(limit, journal=journal)
    [stands] = again.limits()
    assert (stands["used"], stands["remaining"]) == (7, 13)


def test_a_changed_amount_keeps_what_is_used(gateway, tmp_path):
    journal = tmp_path / "tollgate.db"
    gate = gateway("20 requests per day per key" + today(), journal=journal)
    for _ in range(7):
        ask(gate.client())
    gate.stop()
    again = gateway("30 requests per day per key" + today(), journal=journal)
    [stands] = again.limits()
    assert (stands["amount"], stands["used"], stands["remaining"]) == (30, 7, 23)


def test_kill_9_keeps_the_days_count(gateway, tmp_path):
    journal = tmp_path / "tollgate.db"
    limit = "10 requests per day per key" + today()
    gate = gateway(limit, journal=journal)
    for _ in range(4):
        ask(gate.client())
    time.sleep(2 * JOURNAL_SECONDS)
    gate.kill()
    client = gateway(limit, journal=journal).client()
    for _ in range(6):
        ask(client)
    with pytest.raises(openai.RateLimitError) as refused:
        ask(client)
    assert refused.value.code == "insufficient_quota"


def test_what_was_in_flight_at_the_kill_counts_as_spent(gateway, tmp_path):
    journal = tmp_path / "tollgate.db"
    limit = "1000 tokens per day per key" + today()
    gate = gateway(limit, journal=journal)
    options = {"stream": True, "max_completion_tokens": 800}
    stream = ask(gate.client(), "[[tokens:800]] [[gap_ms:50]]", **options)
    next(iter(stream))
    time.sleep(2 * JOURNAL_SECONDS)
    gate.kill()
    again = gateway(limit, journal=journal)
    [stands] = again.limits()
    assert stands["used"] >= 800
    with pytest.raises(openai.RateLimitError):
        ask(again.client(), max_completion_tokens=200)


def test_a_crowd_gets_exactly_what_the_limit_says(gateway, own_provider):
    gate = gateway("30 requests per minute", upstream=own_provider)
    client = gate.client()
    outcomes = []

    def one():
        try:
            ask(client)
            outcomes.append("admitted")
        except openai.RateLimitError:
            outcomes.append("refused")

    crowd = [threading.Thread(target=one) for _ in range(100)]
    for member in crowd:
        member.start()
    for member in crowd:
        member.join()
    assert outcomes.count("admitted") == 30
    assert outcomes.count("refused") == 70
    assert own_provider.counters()["seen"] == 30
