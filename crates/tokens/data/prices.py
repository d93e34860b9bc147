#!/usr/bin/env python3
"""Makes prices.json from LiteLLM's price table.

    pip download --no-deps litellm==1.109.1
    unzip -j litellm-*.whl litellm/model_prices_and_context_window_backup.json
    python3 prices.py model_prices_and_context_window_backup.json 2026-11-22 > prices.json

Prices are read as decimal text and become whole micro-dollars for a million tokens, or for a
thousand searches; one that is not whole stops the script. A model gets an entry when tokens, or
searches, are all that it charges for: audio, image and search models charge for other units
besides.
"""

import json
import sys
from decimal import Decimal

MODELS = """
gpt-6-astra gpt-6-sol gpt-6-luna gpt-6.1-sol gpt-6.1-terra
gpt-5.6 gpt-5.6-sol gpt-5.6-terra gpt-5.6-luna gpt-5.5 gpt-5.5-pro
gpt-5.4 gpt-5.4-mini gpt-5.4-nano gpt-5.4-pro gpt-5.3-chat-latest gpt-5.3-codex
gpt-5.2 gpt-5.2-chat-latest gpt-5.2-codex gpt-5.2-pro
gpt-5.1 gpt-5.1-chat-latest gpt-5.1-codex gpt-5.1-codex-max gpt-5.1-codex-mini
gpt-5 gpt-5-chat-latest gpt-5-codex gpt-5-mini gpt-5-nano gpt-5-pro
gpt-4.1 gpt-4.1-mini gpt-4.1-nano gpt-4o gpt-4o-2024-05-13 gpt-4o-mini
gpt-4 gpt-4-0613 gpt-4-1106-preview gpt-4-turbo
gpt-3.5-turbo gpt-3.5-turbo-0125 gpt-3.5-turbo-1106 gpt-3.5-turbo-16k gpt-3.5-turbo-instruct
o1 o1-pro o3 o3-mini o3-pro o4-mini
text-embedding-3-large text-embedding-3-small text-embedding-ada-002
omni-moderation-latest omni-moderation-2024-09-26
claude-fable-5 claude-fable-5-1 claude-opus-5-5 claude-opus-5 claude-opus-4-8 claude-opus-4-7
claude-opus-4-6 claude-opus-4-5 claude-sonnet-5-5 claude-sonnet-5 claude-sonnet-4-6
claude-sonnet-4-5 claude-haiku-5-5 claude-haiku-4-5
command-a-03-2025 command-r-08-2024 command-r-plus-08-2024 command-r7b-12-2024 cohere/embed-v4.0
rerank-v3.5 rerank-v4.0-pro rerank-v4.0-fast
gemini/gemini-4-argon gemini/gemini-3.8-flash gemini/gemini-3.5-flash
gemini/gemini-3.1-pro-preview gemini/gemini-3.1-flash-lite gemini/gemini-2.5-pro
gemini/gemini-2.5-flash gemini/gemini-2.5-flash-lite gemini/gemini-embedding-001
mistral/mistral-large-4 mistral/mistral-large-latest mistral/mistral-medium-3.5
mistral/mistral-medium-latest mistral/mistral-small-latest mistral/codestral-latest
mistral/ministral-3b-latest mistral/ministral-8b-latest mistral/ministral-3b-2512
mistral/ministral-8b-2512 mistral/mistral-embed
groq/openai/gpt-oss-120b groq/openai/gpt-oss-20b
""".split()

PRICES = {
    "input": "input_cost_per_token",
    "cached_input": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "cache_write_hour": "cache_creation_input_token_cost_above_1hr",
    "output": "output_cost_per_token",
}
MODES = {"chat": "chat", "responses": "chat", "completion": "chat",
         "embedding": "embedding", "moderation": "moderation", "rerank": "rerank"}
PREFIXES = ("cohere/", "gemini/", "mistral/", "groq/")
NOTICE = ("Prices from the LiteLLM price table, MIT licence, Copyright (c) 2023 Berri AI. "
          "Standard tier, list price; whole micro-dollars (US) for a million tokens or a thousand "
          "searches.")


def whole(each, many):
    """Dollars for one, as decimal text -> micro-dollars for so many."""
    micros = Decimal(each) * 10**6 * many
    rounded = micros.to_integral_value()
    # The table was written by floating-point programs: 1.0000000000000001e-07 means 1e-07.
    if abs(micros - rounded) > Decimal("0.001"):
        raise SystemExit(f"{each} is not a whole number of micro-dollars for {many}")
    return int(rounded)


def prices(entry, suffix=""):
    return {name: whole(entry[key + suffix], 10**6) for name, key in PRICES.items()
            if entry.get(key + suffix) is not None}


def model(entry):
    provider = entry["litellm_provider"].removesuffix("_chat").removeprefix("text-completion-")
    out = {"provider": provider, "mode": MODES[entry["mode"]]}
    if entry["mode"] == "rerank":
        # Cohere's search units. The zeros that stand beside it for tokens are no prices.
        out["search"] = whole(entry["input_cost_per_query"], 1000)
    else:
        out.update(prices(entry))
    for above in ("128k", "200k", "272k", "512k"):
        long_context = prices(entry, f"_above_{above}_tokens")
        if long_context:
            out["long_context"] = {"above": int(above[:-1]) * 1000, **long_context}
    for name, key in (("context_window", "max_input_tokens"), ("max_output", "max_output_tokens")):
        if int(entry.get(key) or 0) > 0:
            out[name] = int(entry[key])
    if entry.get("source"):
        out["source"] = entry["source"]
    return out


def name_of(key):
    return next((key[len(p):] for p in PREFIXES if key.startswith(p)), key)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        table = json.load(file, parse_float=str, parse_int=str)
    models = {name_of(key): model(table[key]) for key in MODELS}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(models[name])}"
                       for name in sorted(models))
    print(f'{{\n "dated": "{sys.argv[2]}",\n "notice": "{NOTICE}",\n "models": {{\n{lines}\n }}\n}}')


main()
