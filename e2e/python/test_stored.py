"""What providers store for callers, through the official client."""

import time

import openai
import pytest

MODEL = "gpt-4o-mini"


def test_a_conversation_goes_on_from_an_earlier_response(gate):
    responses = gate.client().responses
    first = responses.create(model=MODEL, input="Hi")
    second = responses.create(model=MODEL, input="go on", previous_response_id=first.id)
    assert second.status == "completed"
    with gate.client().responses.stream(
        model=MODEL, input="and on", previous_response_id=second.id
    ) as stream:
        third = stream.get_final_response()
    include = ["reasoning.encrypted_content"]
    assert responses.retrieve(third.id, include=include).id == third.id
    assert responses.input_items.list(first.id, include=include).data == []


def test_another_key_reaches_nothing_of_it(gate):
    mine, theirs = gate.client().responses, gate.client("NARROW_KEY").responses
    first = mine.create(model=MODEL, input="Hi")
    with pytest.raises(openai.BadRequestError) as refused:
        theirs.create(model=MODEL, input="go on", previous_response_id=first.id)
    assert refused.value.code == "previous_response_not_found"
    for reach in (theirs.retrieve, theirs.delete, theirs.cancel):
        with pytest.raises(openai.NotFoundError):
            reach(first.id)
    mine.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        mine.retrieve(first.id)


def test_work_in_the_background_is_polled_and_metered_to_its_end(gateway):
    gate = gateway("1M requests per minute per key")
    client = gate.client()
    output = 'direction="output"'
    before = gate.metric("tollgate_tokens_total", output)
    begun = client.responses.create(
        model=MODEL, input="Think. [[tokens:21]] [[work_looks:2]]", background=True
    )
    assert begun.status == "queued"
    deadline = time.monotonic() + 20
    while client.responses.retrieve(begun.id).status in {"queued", "in_progress"}:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    while gate.metric("tollgate_tokens_total", output) != before + 21:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_stream_of_work_in_the_background_is_resumed(gateway):
    responses = gateway("1M requests per minute per key").client().responses
    seen = []
    with responses.create(
        model=MODEL, input="Think. [[tokens:21]]", background=True, stream=True
    ) as stream:
        for event in stream:
            seen.append(event)
            if event.type == "response.output_text.delta":
                break
    identity, cursor = seen[0].response.id, seen[-1].sequence_number
    rest = list(responses.retrieve(identity, stream=True, starting_after=cursor))
    assert [event.sequence_number for event in rest[:2]] == [cursor + 1, cursor + 2]
    assert rest[-1].response.usage.output_tokens == 21
    with responses.stream(response_id=identity, starting_after=cursor) as again:
        assert [event.sequence_number for event in again][-1] == rest[-1].sequence_number


def test_work_in_the_background_can_be_ended(gateway):
    client = gateway("1M requests per minute per key").client()
    begun = client.responses.create(
        model=MODEL, input="Think. [[tokens:40]] [[work_looks:999]]", background=True
    )
    assert client.responses.cancel(begun.id).status == "cancelled"
