"""Azure's paths, through the client that OpenAI has for them."""

import openai
import pytest

from harness import COMMAND, DEPLOYMENT, GEMINI, ask


def test_a_chat_with_an_account_at_azure_and_with_another(gate):
    for model in [DEPLOYMENT, "gpt-4o-mini"]:
        answer = ask(gate.azure(), "[[tokens:12]]", model=model)
        assert answer.usage.completion_tokens == 12


def test_a_streamed_chat_and_its_usage(gate):
    options = {"model": DEPLOYMENT, "stream": True, "stream_options": {"include_usage": True}}
    pieces = list(ask(gate.azure(), "[[tokens:9]]", **options))
    assert pieces[-1].usage.completion_tokens == 9
    words = [piece.choices[0].delta.content for piece in pieces if piece.choices]
    assert len([word for word in words if word]) == 9


def test_the_deployment_stands_in_the_path_and_the_key_in_its_header(own_provider, gateway):
    gate = gateway("1M requests per minute", upstream=own_provider)
    ask(gate.azure(), model=DEPLOYMENT)
    ask(gate.client(), model=DEPLOYMENT)
    for seen in own_provider.seen():
        assert seen["model"] == "gpt-4o", "the route's own name"
        assert seen["authorization"] is None, "the key goes out in api-key"


def test_a_deployment_of_the_client_is_the_model(gate):
    client = gate.azure(azure_deployment="gpt-4o-mini")
    assert ask(client, model="gpt-4o-mini").model == "gpt-4o-mini"
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, model="gpt-4o")
    assert refused.value.param == "model"


def test_embeddings(gate):
    client = gate.azure()
    answer = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    assert len(answer.data) == 2


@pytest.mark.parametrize("stream", [False, True])
def test_responses(gate, stream):
    options = {"model": DEPLOYMENT, "input": "[[tokens:7]]", "stream": stream}
    answer = gate.azure().responses.create(**options)
    if stream:
        answer = list(answer)[-1].response
    assert answer.usage.output_tokens == 7
    again = gate.azure().responses.retrieve(answer.id)
    assert again.id == answer.id


def test_the_newer_paths_take_the_usual_client(gate):
    client = openai.OpenAI(base_url=gate.url + "/openai/v1", api_key=gate.client().api_key)
    assert ask(client, "[[tokens:5]]", model=DEPLOYMENT).usage.completion_tokens == 5


def test_explain_knows_where_each_model_is_asked_for(gate):
    for model, provider in [(COMMAND, "cohere"), (GEMINI, "gemini"), (DEPLOYMENT, "azure")]:
        explained = gate.explain(model=model)
        assert explained["admitted"], explained
        assert explained["deployment"].startswith(provider + "/")


def test_refusals_are_the_clients_own_types(gate):
    with pytest.raises(openai.AuthenticationError):
        ask(gate.azure("a-key-that-nobody-made-up"), model=DEPLOYMENT)
    with pytest.raises(openai.PermissionDeniedError):
        ask(gate.azure("NARROW_KEY"), model="gpt-4o")
    with pytest.raises(openai.NotFoundError):
        ask(gate.azure(), model="gpt-9")
