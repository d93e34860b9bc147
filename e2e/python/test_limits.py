"""Limits as a caller meets them, through the official client."""

import time

import openai
import pytest

from harness import Watch, ask


def today():
    """A day that does not end during the test."""
    at = time.gmtime()
    return " in Etc/GMT+6" if (at.tm_hour, at.tm_min) >= (23, 55) else ""


def words(count):
    """A prompt of about so many tokens."""
    return "hello " * count


def test_a_day_of_500_tokens(gateway, own_provider):
    gate = gateway("500 tokens per day per key" + today(), upstream=own_provider)
    watch = Watch()
    client = gate.client(http_client=watch.client(), max_retries=5)

    with pytest.raises(openai.RateLimitError) as never:
        ask(client, words(600))
    assert never.value.code == "insufficient_quota"
    assert never.value.body["tollgate"]["retry_after_ms"] is None
    assert "retry-after" not in never.value.response.headers
    assert never.value.response.headers["x-should-retry"] == "false"
    assert len(watch.sent) == 1, "the client came back though it was told not to"

    ask(client, words(300) + "[[tokens:20]]")

    with pytest.raises(openai.RateLimitError) as later:
        ask(client, words(300))
    said = later.value.body["tollgate"]
    assert later.value.code == "insufficient_quota"
    assert said["limit"].startswith("500 tokens per day")
    assert said["amount"] == 500
    assert said["used"] >= 300
    assert said["requested"] >= 300
    assert 0 < said["retry_after_ms"] <= 24 * 3600 * 1000
    assert later.value.response.headers["x-should-retry"] == "false"
    assert len(watch.sent) == 3

    assert own_provider.counters()["seen"] == 1
    assert gate.metric("tollgate_saved_usd_total") > 0
    assert gate.metric("tollgate_refusals_total") == 2


def test_a_small_day_can_be_spent_to_its_end(gateway):
    client = gateway("500 tokens per day per key" + today()).client()
    messages = [{"role": "user", "content": words(100) + "[[tokens:10000]]"}]
    create = client.chat.completions.with_raw_response.create
    answer = create(model="gpt-4o-mini", messages=messages)
    cap = int(answer.headers["x-tollgate-max-output-tokens"])
    assert answer.parse().usage.completion_tokens == cap
    assert answer.parse().choices[0].finish_reason == "length"
    assert 300 <= cap < 400


def test_the_client_waits_as_long_as_it_is_told_and_then_passes(gateway):
    gate = gateway("2 requests per 3 seconds per key")
    watch = Watch()
    client = gate.client(http_client=watch.client(), max_retries=1)
    for _ in range(3):
        ask(client)
    assert [status for _, status, _ in watch.answers] == [200, 200, 429, 200]
    refused_at, _, headers = watch.answers[2]
    slept_ms = (watch.sent[3] - refused_at) * 1000
    assert slept_ms >= int(headers["retry-after-ms"]), "the client came back early"


def test_a_hang_up_frees_its_slot(gateway, own_provider):
    client = gateway("3 streams at once per key", upstream=own_provider).client()
    endless = "[[tokens:100000]] [[gap_ms:10]]"
    streams = []
    for _ in range(3):
        streams.append(ask(client, endless, stream=True))
        next(iter(streams[-1]))
    waits = []
    for _ in range(5):
        with pytest.raises(openai.RateLimitError) as refused:
            ask(client, endless, stream=True)
        assert refused.value.code == "rate_limit_exceeded"
        streams.pop().close()
        closed_at = time.monotonic()
        streams.append(first_free_slot(client, endless))
        waits.append(time.monotonic() - closed_at)
    for stream in streams:
        stream.close()
    assert own_provider.counters()["streams_max"] == 3
    # Each may be unlucky on a busy machine; all five cannot be.
    assert min(waits) < 0.1, f"slots came back after {waits} s"


def first_free_slot(client, prompt):
    deadline = time.monotonic() + 5
    while True:
        try:
            return ask(client, prompt, stream=True)
        except openai.RateLimitError:
            assert time.monotonic() < deadline, "the slot never came back"


def test_a_refused_stream_leaves_the_other_limits_alone(gateway):
    gate = gateway("1 stream at once per key", "10 requests per minute per key")
    client = gate.client()
    held = ask(client, "[[tokens:100000]] [[gap_ms:10]]", stream=True)
    next(iter(held))
    for _ in range(5):
        with pytest.raises(openai.RateLimitError):
            ask(client, stream=True)
    requests = [limit for limit in gate.limits() if limit["unit"] == "requests"]
    assert [limit["remaining"] for limit in requests] == [9]
    held.close()


def test_dollars(gateway):
    gate = gateway("$0.01 per day per key" + today())
    with pytest.raises(openai.RateLimitError) as refused:
        ask(gate.client(), "hello", model="gpt-4o", n=8, max_completion_tokens=4000)
    assert refused.value.body["tollgate"]["amount"] == "0.01"
    assert gate.metric("tollgate_cost_usd_total") == 0
    ask(gate.client(), "hello [[tokens:50]]", model="gpt-4o", max_completion_tokens=100)
    assert gate.metric("tollgate_cost_usd_total") > 0


def test_limits_say_what_is_used_and_left(gateway):
    gate = gateway("10 requests per minute per key")
    ask(gate.client())
    [limit] = gate.limits()
    assert limit["limit"] == "10 requests per minute per key"
    assert (limit["amount"], limit["used"], limit["held"]) == (10, 1, 0)
    assert limit["remaining"] == 9
    assert limit["resets_at"].endswith("Z")


def test_a_model_without_a_price_is_refused_under_a_money_limit(gateway):
    client = gateway("$5 per day per key" + today()).client()
    with pytest.raises(openai.PermissionDeniedError) as refused:
        ask(client, model="a-model-without-a-price")
    assert refused.value.code == "model_not_priced"
    with pytest.raises(openai.PermissionDeniedError) as refused:
        ask(client, service_tier="priority")
    assert refused.value.code == "model_not_priced"
    ask(client)


def test_explain_says_what_then_happens(gateway):
    gate = gateway("1 request per minute per key")
    assert gate.explain()["admitted"] is True
    [before] = gate.limits()
    assert before["used"] == 0, "explaining charged something"
    ask(gate.client())
    assert gate.explain()["admitted"] is False
    with pytest.raises(openai.RateLimitError):
        ask(gate.client())
