"""Agents' loops, written with the official clients: ten tool calls, then a last word without tools."""

import anthropic
import openai
import pytest

from harness import CLAUDE

TEN = "10 tool calls per session, then answer without tools"
RUNAWAY = "sessions: {runaway: {same_call: 4, then: report}}\n"


class OpenAiAgent:
    """An agent over chat completions."""

    def __init__(self, gate, session):
        self.client = gate.client(default_headers={"x-tollgate-session": session})
        self.history = [{"role": "user", "content": "Find out. [[tool_calls:2]]"}]
        self.tools = [{"type": "function", "function": {"name": "search", "parameters": {}}}]
        self.warning = None

    def turn(self):
        """One model call, and the answers of its tools; how many it called."""
        raw = self.client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini", messages=self.history, tools=self.tools, max_tokens=50
        )
        self.warning = raw.headers.get("x-tollgate-warning")
        message = raw.parse().choices[0].message
        self.history.append(message.model_dump(exclude_none=True))
        calls = message.tool_calls or []
        for call in calls:
            self.history.append({"role": "tool", "tool_call_id": call.id, "content": "Nothing."})
        return len(calls), message.content


class AnthropicAgent:
    """An agent over messages."""

    def __init__(self, gate, session):
        self.client = gate.anthropic(default_headers={"x-tollgate-session": session})
        self.history = [{"role": "user", "content": "Find out. [[tool_calls:2]]"}]
        self.tools = [{"name": "search", "input_schema": {"type": "object"}}]
        self.warning = None

    def turn(self):
        raw = self.client.messages.with_raw_response.create(
            model=CLAUDE, messages=self.history, tools=self.tools, max_tokens=50
        )
        self.warning = raw.headers.get("x-tollgate-warning")
        content = raw.parse().content
        self.history.append({"role": "assistant", "content": [b.model_dump() for b in content]})
        calls = [block for block in content if block.type == "tool_use"]
        results = [
            {"type": "tool_result", "tool_use_id": call.id, "content": "Nothing."} for call in calls
        ]
        if results:
            self.history.append({"role": "user", "content": results})
        words = [block.text for block in content if block.type == "text"]
        return len(calls), "".join(words)


AGENTS = [OpenAiAgent, AnthropicAgent]


@pytest.mark.parametrize("agent", AGENTS)
def test_the_turn_after_the_tenth_call_answers_without_tools(gateway, agent):
    gate = gateway(TEN)
    first = agent(gate, "first")
    turns = [first.turn() for _ in range(5)]
    assert [calls for calls, _ in turns] == [2] * 5
    calls, words = first.turn()
    assert calls == 0
    assert words, "it finishes its sentence"
    assert "without tools" in first.warning
    # What it did is still in the history that it sent.
    assert "search" in str(first.history)
    second = agent(gate, "second")
    assert second.turn()[0] == 2, "another session is untouched"


@pytest.mark.parametrize("agent", AGENTS)
def test_a_loop_of_identical_calls_is_flagged(gateway, agent):
    gate = gateway("900 steps per session", tail=RUNAWAY)
    looping = agent(gate, "loop")
    warnings = []
    for _ in range(4):
        looping.turn()
        warnings.append(looping.warning)
    assert warnings[0] is None
    assert "the same call" in warnings[3]
    assert gate.metric("tollgate_runaway_sessions_total", 'action="report"') == 1


def test_where_the_agent_is_stopped_the_clients_raise_and_do_not_wait(gateway):
    gate = gateway("2 tool calls per session")
    options = {"max_retries": 2, "default_headers": {"x-tollgate-session": "one"}}
    for client, call, error in [
        (gate.client(**options), openai_call, openai.RateLimitError),
        (gate.anthropic(**options), anthropic_call, anthropic.RateLimitError),
    ]:
        with pytest.raises(error) as stopped:
            for _ in range(3):
                call(client)
        assert stopped.value.response.headers["x-should-retry"] == "false"


def openai_call(client):
    tools = [{"type": "function", "function": {"name": "search"}}]
    messages = [{"role": "user", "content": "[[tool_calls:1]]"}]
    client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=tools)


def anthropic_call(client):
    tools = [{"name": "search", "input_schema": {"type": "object"}}]
    messages = [{"role": "user", "content": "[[tool_calls:1]]"}]
    client.messages.create(model=CLAUDE, messages=messages, tools=tools, max_tokens=50)
