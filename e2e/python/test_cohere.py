"""Cohere's protocol, through its official client."""

import time

import cohere
import httpx
import pytest

from harness import COMMAND, EMBED, RERANK, Watch
from test_anthropic import today

FUNCTION = {"name": "search", "parameters": {"type": "object", "properties": {"query": {}}}}
TOOL = {"type": "function", "function": FUNCTION}


def said(text):
    return [{"role": "user", "content": text}]


def watched(gate, watch, **options):
    """A client whose requests are watched."""
    hooks = {"request": [watch._sent], "response": [watch._answered]}
    return gate.cohere(httpx_client=httpx.Client(event_hooks=hooks), **options)


def test_a_chat(gate):
    answer = gate.cohere().chat(model=COMMAND, messages=said("[[tokens:12]]"))
    assert answer.message.content[0].text
    assert answer.finish_reason == "COMPLETE"
    assert answer.usage.tokens.output_tokens == answer.usage.billed_units.output_tokens == 12


def test_a_streamed_chat(gate):
    events = list(gate.cohere().chat_stream(model=COMMAND, messages=said("[[tokens:9]]")))
    words = [event.delta.message.content.text for event in events if event.type == "content-delta"]
    assert len(words) == 9
    assert events[-1].type == "message-end"
    assert events[-1].delta.usage.tokens.output_tokens == 9


@pytest.mark.parametrize("stream", [False, True])
def test_tools(gate, stream):
    options = {"model": COMMAND, "tools": [TOOL]}
    options["messages"] = said("Look it up. [[tool_calls:2]]")
    if stream:
        events = list(gate.cohere().chat_stream(**options))
        starts = [event for event in events if event.type == "tool-call-start"]
        names = [event.delta.message.tool_calls.function.name for event in starts]
        reason = events[-1].delta.finish_reason
    else:
        answer = gate.cohere().chat(**options)
        names = [call.function.name for call in answer.message.tool_calls]
        reason = answer.finish_reason
    assert names == ["search", "search"]
    assert reason == "TOOL_CALL"


def test_limits_count_what_was_used_and_not_what_is_billed(gateway):
    gate = gateway("1M tokens per day per key" + today())
    prompt = "[[prompt_tokens:71]] [[cached:66]] [[tokens:26]]"
    answer = gate.cohere().chat(model=COMMAND, messages=said(prompt))
    assert answer.usage.billed_units.input_tokens == 5
    assert gate.limits()[0]["used"] == 71 + 26


def test_texts_are_embedded(gateway):
    gate = gateway("1M tokens per day per key" + today())
    options = {"model": EMBED, "input_type": "search_document", "embedding_types": ["float"]}
    answer = gate.cohere().embed(texts=["one [[prompt_tokens:40]]", "two"], **options)
    assert len(answer.embeddings.float_) == 2
    assert gate.limits()[0]["used"] == 40


def test_documents_are_ranked(gateway):
    gate = gateway("1M tokens per day per key" + today())
    documents = ["a toll gate", "a turnpike", "a ferry"]
    answer = gate.cohere().rerank(model=RERANK, query="tolls", documents=documents)
    assert len(answer.results) == 3
    assert gate.limits()[0]["used"] > 0, "nobody reports it, so it is counted"


def test_refusals_are_the_clients_own_types(gate):
    with pytest.raises(cohere.UnauthorizedError) as refused:
        gate.cohere("a-key-that-nobody-made-up").chat(model=COMMAND, messages=said("hello"))
    assert refused.value.body["id"] == refused.value.headers["x-tollgate-request-id"]
    narrow = gate.cohere("NARROW_KEY")
    tool = {"type": "function", "function": {**FUNCTION, "name": "shell"}}
    with pytest.raises(cohere.ForbiddenError) as refused:
        narrow.chat(model=COMMAND, messages=said("hello"), tools=[tool])
    assert "shell" in refused.value.body["message"]
    with pytest.raises(cohere.BadRequestError) as refused:
        narrow.chat(model=COMMAND, messages=said("hello " * 300))
    assert "100" in refused.value.body["message"]
    with pytest.raises(cohere.BadRequestError):
        gate.cohere().chat(model=COMMAND, messages=said("hello"), max_tokens=0)
    with pytest.raises(cohere.NotFoundError) as refused:
        gate.cohere().chat(model="gpt-4o", messages=said("hello"))
    assert "/v1/chat/completions" in refused.value.body["message"]


@pytest.mark.parametrize(
    ("fault", "status"), [("500", 502), ("overloaded", 502), ("quota", 503), ("rate_limit", 429)]
)
def test_the_providers_troubles_are_told(gateway, fault, status):
    with pytest.raises(cohere.core.ApiError) as failed:
        gateway().cohere().chat(model=COMMAND, messages=said(f"[[fault:{fault}]]"))
    assert failed.value.status_code == status
    for private in ["sk-", "org-", "payment"]:
        assert private not in str(failed.value.body)


def test_the_client_waits_as_long_as_it_is_told_and_then_passes(gateway):
    gate = gateway("2 requests per 3 seconds per key")
    watch = Watch()
    client = watched(gate, watch, max_retries=1)
    for _ in range(3):
        client.chat(model=COMMAND, messages=said("hello"))
    assert [status for _, status, _ in watch.answers] == [200, 200, 429, 200]
    refused_at, _, headers = watch.answers[2]
    # It adds up to a fifth of its own, and takes nothing away.
    assert watch.sent[3] - refused_at >= int(headers["retry-after-ms"]) / 1000 - 0.01


def test_an_exhausted_day_is_a_402_that_the_client_does_not_repeat(gateway):
    gate = gateway("1 request per day per key" + today())
    watch = Watch()
    client = watched(gate, watch, max_retries=5)
    client.chat(model=COMMAND, messages=said("hello"))
    began = time.monotonic()
    with pytest.raises(cohere.core.ApiError) as refused:
        client.chat(model=COMMAND, messages=said("hello"))
    assert refused.value.status_code == 402
    assert time.monotonic() - began < 5
    assert len(watch.sent) == 2, "the client came back though it was told not to"
    assert refused.value.body["tollgate"]["limit"].startswith("1 request per day")
