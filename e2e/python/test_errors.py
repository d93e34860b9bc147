"""Refusals and failures arrive as the client's own exception types, with something to act on."""

import openai
import pytest

from harness import ask

TOOL = {"type": "function", "function": {"name": "shell", "parameters": {"type": "object"}}}


def test_an_unknown_key_is_an_authentication_error(gate):
    with pytest.raises(openai.AuthenticationError) as refused:
        ask(gate.client("a-key-that-nobody-made-up"))
    assert refused.value.code == "invalid_api_key"
    assert "a-key-that-nobody" not in str(refused.value)


def test_a_model_off_the_list_is_a_permission_error(gate):
    with pytest.raises(openai.PermissionDeniedError) as refused:
        ask(gate.client("NARROW_KEY"), model="gpt-4o")
    assert refused.value.code == "model_not_allowed"
    assert "gpt-4o-mini" in str(refused.value), "it does not say what is allowed"


def test_a_tool_off_the_list_is_a_permission_error(gate):
    with pytest.raises(openai.PermissionDeniedError) as refused:
        ask(gate.client("NARROW_KEY"), tools=[TOOL])
    assert refused.value.code == "tool_not_allowed"


def test_an_unknown_model_is_not_found(gate):
    with pytest.raises(openai.NotFoundError) as refused:
        ask(gate.client(), model="gpt-9")
    assert refused.value.code == "model_not_found"


@pytest.mark.parametrize(
    "options",
    [
        {"n": 0},
        {"max_completion_tokens": 0},
        {"max_tokens": -1},
        {"extra_body": {"MAX_TOKENS": 5}},
        {"extra_body": {"stream": "yes"}},
    ],
    ids=str,
)
def test_what_could_be_read_in_two_ways_is_a_bad_request(gate, options):
    with pytest.raises(openai.BadRequestError) as refused:
        ask(gate.client(), **options)
    assert refused.value.code == "invalid_request"


def test_no_messages_is_a_bad_request(gate):
    with pytest.raises(openai.BadRequestError):
        gate.client().chat.completions.create(model="gpt-4o-mini", messages=[])


def test_a_prompt_over_the_guardrail_says_both_numbers(gate):
    with pytest.raises(openai.BadRequestError) as refused:
        ask(gate.client("NARROW_KEY"), "hello " * 300)
    assert refused.value.code == "context_length_exceeded"
    assert "100" in str(refused.value)


def test_an_earlier_response_of_nobody_is_not_found_as_at_the_provider(gate):
    with pytest.raises(openai.BadRequestError) as refused:
        create = gate.client().responses.create
        create(model="gpt-4o", input="go on", previous_response_id="resp_1")
    assert refused.value.code == "previous_response_not_found"
    assert refused.value.param == "previous_response_id"


def test_a_limit_is_a_rate_limit_error_that_says_which_why_and_when(gateway):
    client = gateway("1 request per minute per key").client()
    ask(client)
    with pytest.raises(openai.RateLimitError) as refused:
        ask(client)
    error = refused.value
    assert error.code == "rate_limit_exceeded"
    assert error.type == "requests"
    said = error.body["tollgate"]
    assert said["limit"] == "1 request per minute per key"
    assert said["source"] == "gateway"
    assert 0 < said["retry_after_ms"] <= 61_000
    assert int(error.response.headers["retry-after-ms"]) >= said["retry_after_ms"]
    assert int(error.response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("fault", ["500", "502", "bad_gateway", "reset"])
def test_a_failing_provider_is_a_server_error(gate, fault):
    with pytest.raises(openai.InternalServerError) as failed:
        ask(gate.client(), f"[[fault:{fault}]]")
    assert failed.value.status_code == 502
    assert failed.value.code == "upstream_error"


def test_an_answer_that_breaks_off_is_a_connection_error(gate):
    with pytest.raises(openai.APIConnectionError):
        ask(gate.client(), "[[fault:reset_midway]]")


def test_a_limit_of_everybody_is_named_without_its_numbers(gateway):
    client = gateway("1 request per minute").client()
    ask(client)
    with pytest.raises(openai.RateLimitError) as refused:
        ask(client)
    said = refused.value.body["tollgate"]
    assert said["limit"] == "requests per minute, everybody"
    assert (said["amount"], said["used"], said["held"]) == (None, None, None)


@pytest.mark.parametrize("fault", ["invalid_key", "402", "403", "quota"])
def test_the_operators_troubles_stay_the_operators(gateway, fault):
    with pytest.raises(openai.InternalServerError) as failed:
        ask(gateway().client(), f"[[fault:{fault}]]")
    assert failed.value.status_code == 503
    assert failed.value.code == "upstream_unavailable"
    assert failed.value.response.headers["x-should-retry"] == "false"
    for private in ["sk-", "org-", "billing"]:
        assert private not in failed.value.response.text


def test_the_providers_own_limit_keeps_its_numbers_to_itself(gateway):
    with pytest.raises(openai.APIStatusError) as failed:
        ask(gateway().client(), "[[fault:rate_limit]]")
    assert failed.value.status_code == 429
    for private in ["org-", "195869", "200000"]:
        assert private not in failed.value.response.text


def test_what_the_provider_refuses_passes_on_without_the_account(gate):
    with pytest.raises(openai.BadRequestError) as refused:
        ask(gate.client(), "[[fault:context_length]]")
    assert refused.value.response.headers["x-tollgate-source"] == "upstream"
    assert "org-" not in refused.value.response.text
