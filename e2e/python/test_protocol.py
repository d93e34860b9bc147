"""What the official client asks and gets when no limit is in the way."""

from harness import CLAUDE, COMMAND, DEPLOYMENT, GEMINI, KEYS, NAMES, OTHERS, ask

TOOL = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Searches the web.",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}},
    },
}


def test_chat(gate):
    answer = ask(gate.client(), "Say something. [[tokens:12]]")
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens == 12
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 12


def test_chat_with_several_answers(gate):
    answer = ask(gate.client(), "[[tokens:5]]", n=3)
    assert len(answer.choices) == 3


def test_chat_obeys_the_callers_cap(gate):
    answer = ask(gate.client(), "[[tokens:500]]", max_completion_tokens=7)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 7


def test_a_stream_without_usage_hides_the_chunk_that_the_gateway_asked_for(gate):
    chunks = list(ask(gate.client(), "[[tokens:9]]", stream=True))
    assert all(chunk.choices for chunk in chunks), "a chunk without choices reached the caller"
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_stream_with_usage_ends_with_it(gate):
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = list(ask(gate.client(), "[[tokens:9]]", **options))
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 9
    assert "".join(c.choices[0].delta.content or "" for c in chunks[:-1])


def test_a_stream_is_metered_though_the_caller_saw_no_usage(gate):
    output = 'direction="output"'
    before = gate.metric("tollgate_tokens_total", output)
    list(ask(gate.client(), "[[tokens:33]]", stream=True))
    assert gate.metric("tollgate_tokens_total", output) == before + 33


def test_tools(gate):
    answer = ask(gate.client(), "Look it up. [[tool_calls:2]]", tools=[TOOL])
    calls = answer.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["search", "search"]
    assert answer.choices[0].finish_reason == "tool_calls"


def test_streamed_tools(gate):
    stream = ask(gate.client(), "Look it up. [[tool_calls:1]]", tools=[TOOL], stream=True)
    deltas = [chunk.choices[0].delta for chunk in stream]
    calls = [call for delta in deltas for call in delta.tool_calls or []]
    assert calls[0].function.name == "search"


def test_completions(gate):
    answer = gate.client().completions.create(model="gpt-4o-mini", prompt="Once [[tokens:6]]")
    assert answer.choices[0].text
    assert answer.usage.completion_tokens == 6


def test_embeddings(gate):
    create = gate.client().embeddings.create
    answer = create(model="text-embedding-3-small", input=["one", "two"])
    assert len(answer.data) == 2
    assert all(isinstance(number, float) for number in answer.data[0].embedding)
    assert answer.usage.prompt_tokens > 0


def test_moderations(gate):
    answer = gate.client().moderations.create(model="omni-moderation-latest", input="a kind word")
    assert answer.results[0].flagged is False


def test_responses(gate):
    answer = gate.client().responses.create(model="gpt-4o-mini", input="Hi [[tokens:8]]")
    assert answer.output_text
    assert answer.usage.output_tokens == 8


def test_streamed_responses(gate):
    stream = gate.client().responses.create(model="gpt-4o", input="Hi [[tokens:8]]", stream=True)
    events = list(stream)
    assert events[0].type == "response.created"
    assert any(event.type == "response.output_text.delta" for event in events)
    assert events[-1].type == "response.completed"
    assert events[-1].response.usage.output_tokens == 8


def test_models_are_those_of_the_caller(gate):
    names = {model.id for model in gate.client().models.list()}
    assert names == {*NAMES, *OTHERS, DEPLOYMENT}
    narrow = {model.id for model in gate.client("NARROW_KEY").models.list()}
    assert narrow == {"gpt-4o-mini", CLAUDE, COMMAND, GEMINI}
    assert gate.client().models.retrieve("gpt-4o").id == "gpt-4o"


def test_every_answer_says_where_the_caller_stands(gateway):
    gate = gateway("100 requests per minute per key", "50k tokens per minute per key")
    messages = [{"role": "user", "content": "[[tokens:10]]"}]
    create = gate.client().chat.completions.with_raw_response.create
    headers = create(model="gpt-4o-mini", messages=messages).headers
    assert headers["x-ratelimit-limit-requests"] == "100"
    assert headers["x-ratelimit-remaining-requests"] == "99"
    assert headers["x-ratelimit-limit-tokens"] == "50000"
    assert int(headers["x-ratelimit-remaining-tokens"]) < 50000
    assert headers["x-ratelimit-reset-requests"]
    assert headers["x-tollgate-request-id"]
    assert headers["x-tollgate-model"]
    assert "openai-organization" not in headers


def test_the_callers_key_never_reaches_the_provider(gateway, own_provider):
    client = gateway("10 requests per minute", upstream=own_provider).client()
    headers = {"OpenAI-Organization": "org-of-the-caller", "x-api-key": KEYS["APP_KEY"]}
    ask(client, extra_headers=headers)
    [seen] = own_provider.seen()
    assert seen["authorization"] == "Bearer " + KEYS["PROVIDER_KEY"]
