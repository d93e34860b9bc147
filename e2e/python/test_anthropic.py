"""Anthropic's protocol, through its official client and in the shape of Claude Code's traffic."""

import time

import anthropic
import pytest

from harness import CLAUDE, Watch, ask, say

TOOL = {"name": "search", "input_schema": {"type": "object", "properties": {"query": {}}}}


def today():
    """A day that does not end during the test."""
    at = time.gmtime()
    return " in Etc/GMT+6" if (at.tm_hour, at.tm_min) >= (23, 55) else ""


def test_a_message(gate):
    answer = say(gate.anthropic(), "[[tokens:12]]")
    assert answer.usage.output_tokens == 12
    assert answer.content[0].text
    assert answer.stop_reason == "end_turn"


def test_a_streamed_message(gate):
    messages = [{"role": "user", "content": "[[tokens:9]]"}]
    options = {"model": CLAUDE, "max_tokens": 100, "messages": messages}
    with gate.anthropic().messages.stream(**options) as stream:
        words = list(stream.text_stream)
        final = stream.get_final_message()
    assert len(words) == 9
    assert final.usage.output_tokens == 9


@pytest.mark.parametrize("stream", [False, True])
def test_tools(gate, stream):
    options = {"model": CLAUDE, "max_tokens": 100, "tools": [TOOL]}
    options["messages"] = [{"role": "user", "content": "Look it up. [[tool_calls:2]]"}]
    if stream:
        with gate.anthropic().messages.stream(**options) as running:
            answer = running.get_final_message()
    else:
        answer = gate.anthropic().messages.create(**options)
    assert [block.name for block in answer.content] == ["search", "search"]
    assert answer.content[0].input == {"query": "toll gate"}
    assert answer.stop_reason == "tool_use"


def test_tokens_are_counted_without_charge(gateway):
    gate = gateway("3 requests per minute per key", "50 tokens per day per key" + today())
    messages = [{"role": "user", "content": "hello " * 100 + "[[prompt_tokens:123]]"}]
    counted = gate.anthropic().messages.count_tokens(model=CLAUDE, messages=messages)
    assert counted.input_tokens == 123
    used = {row["limit"].split(" ")[1]: row["used"] for row in gate.limits()}
    assert used == {"requests": 1, "tokens": 0}


def test_models_in_anthropics_shape(gate):
    models = [model.id for model in gate.anthropic().models.list()]
    assert CLAUDE in models
    assert gate.anthropic().models.retrieve(CLAUDE).id == CLAUDE


def test_claude_codes_traffic(own_provider, gateway):
    gate = gateway("1M requests per minute", upstream=own_provider)
    cached = {"cache_control": {"type": "ephemeral"}}
    tools = [{**TOOL, "name": f"tool_{number}"} for number in range(40)]
    system = [
        {"type": "text", "text": "You are Claude Code."},
        {"type": "text", "text": "A long prompt. [[cached:7]] [[written:5]]", **cached},
    ]
    call = {"type": "tool_use", "id": "toolu_1", "name": "tool_1", "input": {"file_id": "mine"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "done", **cached}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Fix it.", **cached}]},
        {"role": "assistant", "content": [{"type": "text", "text": "So."}, call]},
        {"role": "user", "content": [result]},
    ]
    stream = gate.anthropic().beta.messages.stream(
        model=CLAUDE,
        max_tokens=32_000,
        system=system,
        messages=messages,
        tools=tools,
        thinking={"type": "enabled", "budget_tokens": 1_024},
        metadata={"user_id": "user_1_account_2_session_3"},
        betas=["claude-code-20250219", "interleaved-thinking-2025-05-14"],
        extra_headers={"anthropic-dangerous-direct-browser-access": "true", "x-app": "cli"},
    )
    with stream as running:
        answer = running.get_final_message()
    assert answer.usage.cache_read_input_tokens == 7
    assert answer.usage.cache_creation_input_tokens == 5
    (seen,) = own_provider.seen()
    assert (seen["user"], seen["stream"]) == ("user_1_account_2_session_3", True)
    assert seen["authorization"] is None, "the key goes out in x-api-key"


def test_refusals_are_the_clients_own_types(gate):
    client = gate.anthropic()
    with pytest.raises(anthropic.AuthenticationError):
        say(gate.anthropic("a-key-that-nobody-made-up"))
    with pytest.raises(anthropic.PermissionDeniedError) as refused:
        say(gate.anthropic("NARROW_KEY"), tools=[{**TOOL, "name": "shell"}])
    assert "shell" in str(refused.value)
    with pytest.raises(anthropic.BadRequestError) as refused:
        say(gate.anthropic("NARROW_KEY"), "hello " * 300)
    assert "100" in str(refused.value)
    with pytest.raises(anthropic.BadRequestError) as refused:
        say(client, max_tokens=0)
    assert "max_tokens" in str(refused.value)
    with pytest.raises(anthropic.NotFoundError) as refused:
        say(client, extra_body={"container": "container_1"})
    assert "container_1" in str(refused.value)
    messages = [{"role": "user", "content": "hello"}]
    with pytest.raises(anthropic.NotFoundError) as refused:
        client.messages.create(model="gpt-4o", max_tokens=9, messages=messages)
    assert "/v1/chat/completions" in str(refused.value)
    assert refused.value.request_id


@pytest.mark.parametrize(
    ("fault", "status"),
    [("500", 502), ("overloaded", 529), ("quota", 529), ("402", 529), ("rate_limit", 429)],
)
def test_the_providers_troubles_are_server_errors(gateway, fault, status):
    with pytest.raises(anthropic.APIStatusError) as failed:
        say(gateway().anthropic(), f"[[fault:{fault}]]")
    assert failed.value.status_code == status
    assert failed.value.body["type"] == "error"
    for private in ["sk-", "org-", "billing"]:
        assert private not in failed.value.response.text


def test_the_client_waits_as_long_as_it_is_told_and_then_passes(gateway):
    gate = gateway("2 requests per 3 seconds per key")
    watch = Watch()
    client = gate.anthropic(http_client=watch.client(anthropic), max_retries=1)
    for _ in range(3):
        say(client)
    assert [status for _, status, _ in watch.answers] == [200, 200, 429, 200]
    refused_at, _, headers = watch.answers[2]
    assert watch.sent[3] - refused_at >= int(headers["retry-after-ms"]) / 1000 - 0.01
    for unit in ["limit", "remaining", "reset"]:
        assert f"anthropic-ratelimit-requests-{unit}" in headers


def test_an_exhausted_day_does_not_put_the_client_to_sleep(gateway):
    gate = gateway("1 request per day per key" + today())
    watch = Watch()
    client = gate.anthropic(http_client=watch.client(anthropic), max_retries=5)
    say(client)
    began = time.monotonic()
    with pytest.raises(anthropic.RateLimitError) as refused:
        say(client)
    assert time.monotonic() - began < 5
    assert len(watch.sent) == 2, "the client came back though it was told not to"
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert refused.value.body["error"]["tollgate"]["limit"].startswith("1 request per day")


def test_both_protocols_share_the_callers_limits(gateway):
    gate = gateway("2 requests per minute per key")
    ask(gate.client())
    say(gate.anthropic())
    with pytest.raises(anthropic.RateLimitError):
        say(gate.anthropic())
