"""Gemini's protocol, through Google's official client."""

import time

import pytest
from google.genai import errors, types

from harness import GEMINI
from test_anthropic import today

FUNCTION = {
    "name": "search",
    "parameters": {"type": "OBJECT", "properties": {"query": {"type": "STRING"}}},
}


def tools(*functions):
    return [types.Tool(function_declarations=list(functions or [FUNCTION]))]


def generate(gate, prompt="Say hello.", key="APP_KEY", model=GEMINI, **config):
    client = gate.gemini(key)
    return client.models.generate_content(model=model, contents=prompt, config=config or None)


def test_contents_are_generated(gate):
    answer = generate(gate, "[[tokens:12]] [[reasoning:5]]")
    assert answer.text
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    used = answer.usage_metadata
    assert (used.candidates_token_count, used.thoughts_token_count) == (7, 5)


def test_contents_are_streamed(gate):
    client = gate.gemini()
    pieces = list(client.models.generate_content_stream(model=GEMINI, contents="[[tokens:9]]"))
    assert len(pieces) == 9
    assert pieces[-1].usage_metadata.candidates_token_count == 9


def test_a_stream_is_settled_by_its_last_word(gateway):
    gate = gateway("1M tokens per day per key" + today())
    prompt = "[[prompt_tokens:71]] [[cached:7]] [[tokens:9]] [[reasoning:4]]"
    client = gate.gemini()
    assert list(client.models.generate_content_stream(model=GEMINI, contents=prompt))
    assert gate.limits()[0]["used"] == 71 + 9


@pytest.mark.parametrize("stream", [False, True])
def test_tools(gate, stream):
    config = types.GenerateContentConfig(tools=tools())
    options = {"model": GEMINI, "contents": "Look it up. [[tool_calls:2]]", "config": config}
    # The client closes its connections when nobody has it any more.
    client = gate.gemini()
    if stream:
        calls = [
            call
            for piece in client.models.generate_content_stream(**options)
            for call in piece.function_calls or []
        ]
    else:
        calls = client.models.generate_content(**options).function_calls
    assert [call.name for call in calls] == ["search", "search"]
    assert calls[0].args == {"query": "toll gate"}


def test_a_cap_and_several_answers_reach_the_provider(own_provider, gateway):
    gate = gateway("1M requests per minute", upstream=own_provider)
    answer = generate(gate, "[[tokens:500]]", max_output_tokens=40, candidate_count=2)
    assert len(answer.candidates) == 2
    assert answer.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    (seen,) = own_provider.seen()
    assert seen["authorization"] is None, "the key goes out in x-goog-api-key"


def test_tokens_are_counted_without_charge(gateway):
    gate = gateway("3 requests per minute per key", "50 tokens per day per key" + today())
    prompt = "hello " * 100 + "[[prompt_tokens:123]]"
    client = gate.gemini()
    counted = client.models.count_tokens(model=GEMINI, contents=prompt)
    assert counted.total_tokens == 123
    used = {row["limit"].split(" ")[1]: row["used"] for row in gate.limits()}
    assert used == {"requests": 1, "tokens": 0}


def test_refusals_are_the_clients_own_types(gate):
    shell = {**FUNCTION, "name": "shell"}
    table = [
        ({"key": "a-key-that-nobody-made-up"}, 401, "UNAUTHENTICATED", "key"),
        ({"key": "NARROW_KEY", "tools": tools(shell)}, 403, "PERMISSION_DENIED", "shell"),
        ({"key": "NARROW_KEY", "prompt": "hello " * 300}, 400, "INVALID_ARGUMENT", "100"),
        ({"max_output_tokens": 0}, 400, "INVALID_ARGUMENT", "generationConfig.maxOutputTokens"),
        ({"cached_content": "cachedContents/1"}, 404, "NOT_FOUND", "cachedContents/1"),
        ({"model": "gpt-4o"}, 404, "NOT_FOUND", "/v1/chat/completions"),
    ]
    for options, code, status, word in table:
        with pytest.raises(errors.ClientError) as refused:
            generate(gate, **options)
        assert (refused.value.code, refused.value.status) == (code, status), options
        assert word in refused.value.message


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ("500", 502, "UNAVAILABLE"),
        ("overloaded", 503, "UNAVAILABLE"),
        ("invalid_key", 503, "UNAVAILABLE"),
        ("rate_limit", 429, "RESOURCE_EXHAUSTED"),
    ],
)
def test_the_providers_troubles_are_told(gateway, fault, code, status):
    with pytest.raises(errors.APIError) as failed:
        generate(gateway(), f"[[fault:{fault}]]")
    assert (failed.value.code, failed.value.status) == (code, status)
    for private in ["sk-", "org-", "billing"]:
        assert private not in str(failed.value.details)


def test_an_exhausted_day_is_a_402_that_the_client_does_not_repeat(own_provider, gateway):
    gate = gateway("1 request per day per key" + today(), upstream=own_provider)
    retries = types.HttpRetryOptions(attempts=5, initial_delay=1)
    client = gate.gemini(retry_options=retries)
    client.models.generate_content(model=GEMINI, contents="hello")
    began = time.monotonic()
    with pytest.raises(errors.ClientError) as refused:
        client.models.generate_content(model=GEMINI, contents="hello")
    assert time.monotonic() - began < 1, "the client came back though it was told not to"
    assert (refused.value.code, refused.value.status) == (402, "RESOURCE_EXHAUSTED")
    error = refused.value.details["error"]
    assert error["tollgate"]["limit"].startswith("1 request per day")
    assert error["details"][0]["@type"].endswith("google.rpc.RetryInfo")
