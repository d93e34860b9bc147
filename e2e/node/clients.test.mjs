// The official Node client against the real binary and a scripted provider.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import OpenAI from "openai";
import { chat, startGateway, startProvider, watched } from "./harness.mjs";

let provider;
before(async () => (provider = await startProvider()));
after(() => provider?.stop());

/** Runs `work` against a gateway of its own. */
async function gated(limits, work) {
  const gate = await startGateway(provider, ...limits);
  try {
    await work(gate);
  } finally {
    await gate.stop();
  }
}

async function all(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

describe("without a limit in the way", () => {
  let gate;
  before(async () => (gate = await startGateway(provider, "1M requests per minute")));
  after(() => gate?.stop());

  test("chat", async () => {
    const answer = await gate.client().chat.completions.create(chat("[[tokens:12]]"));
    assert.equal(answer.usage.completion_tokens, 12);
    assert.ok(answer.choices[0].message.content);
  });

  test("azure's paths, whole and streamed", async () => {
    const client = gate.azure();
    const answer = await client.chat.completions.create(chat("[[tokens:12]]"));
    assert.equal(answer.usage.completion_tokens, 12);
    const body = chat("[[tokens:9]]", { stream: true, stream_options: { include_usage: true } });
    const parts = await all(await client.chat.completions.create(body));
    assert.equal(parts.at(-1).usage.completion_tokens, 9);
    const response = await client.responses.create({ model: body.model, input: "[[tokens:7]]" });
    assert.equal(response.usage.output_tokens, 7);
  });

  test("a stream without usage hides the chunk that the gateway asked for", async () => {
    const body = chat("[[tokens:9]]", { stream: true });
    const chunks = await all(await gate.client().chat.completions.create(body));
    assert.ok(chunks.every((chunk) => chunk.choices.length === 1 && !chunk.usage));
    assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
  });

  test("a stream with usage ends with it", async () => {
    const body = chat("[[tokens:9]]", { stream: true, stream_options: { include_usage: true } });
    const chunks = await all(await gate.client().chat.completions.create(body));
    assert.deepEqual(chunks.at(-1).choices, []);
    assert.equal(chunks.at(-1).usage.completion_tokens, 9);
  });

  test("tools", async () => {
    const search = { name: "search", parameters: { type: "object", properties: {} } };
    const tools = [{ type: "function", function: search }];
    const body = chat("Look it up. [[tool_calls:2]]", { tools });
    const answer = await gate.client().chat.completions.create(body);
    const names = answer.choices[0].message.tool_calls.map((call) => call.function.name);
    assert.deepEqual(names, ["search", "search"]);
  });

  test("embeddings", async () => {
    const body = { model: "text-embedding-3-small", input: ["one", "two"] };
    const answer = await gate.client().embeddings.create(body);
    assert.equal(answer.data.length, 2);
    assert.equal(typeof answer.data[0].embedding[0], "number");
  });

  test("moderations", async () => {
    const body = { model: "omni-moderation-latest", input: "a kind word" };
    const answer = await gate.client().moderations.create(body);
    assert.equal(answer.results[0].flagged, false);
  });

  test("responses", async () => {
    const body = { model: "gpt-4o", input: "Hi [[tokens:8]]" };
    const answer = await gate.client().responses.create(body);
    assert.ok(answer.output_text);
    assert.equal(answer.usage.output_tokens, 8);
  });

  test("streamed responses", async () => {
    const body = { model: "gpt-4o", input: "Hi [[tokens:8]]", stream: true };
    const events = await all(await gate.client().responses.create(body));
    assert.equal(events[0].type, "response.created");
    assert.equal(events.at(-1).type, "response.completed");
    assert.equal(events.at(-1).response.usage.output_tokens, 8);
  });

  test("models are those of the caller", async () => {
    const models = await all(gate.client("NARROW_KEY").models.list());
    assert.deepEqual(models.map((model) => model.id), ["gpt-4o-mini"]);
  });

  const refusals = [
    ["an unknown key", OpenAI.AuthenticationError, "invalid_api_key", {}, "a-key-nobody-made"],
    ["a model off the list", OpenAI.PermissionDeniedError, "model_not_allowed",
      { model: "gpt-4o" }, "NARROW_KEY"],
    ["an unknown model", OpenAI.NotFoundError, "model_not_found", { model: "gpt-9" }],
    ["no answer asked for", OpenAI.BadRequestError, "invalid_request", { n: 0 }],
    ["a prompt over the guardrail", OpenAI.BadRequestError, "context_length_exceeded",
      { messages: [{ role: "user", content: "hello ".repeat(300) }] }, "NARROW_KEY"],
    ["a failing provider", OpenAI.InternalServerError, "upstream_error",
      { messages: [{ role: "user", content: "[[fault:500]]" }] }],
    ["a provider that hangs up", OpenAI.InternalServerError, "upstream_error",
      { messages: [{ role: "user", content: "[[fault:reset]]" }] }],
  ];
  for (const [name, type, code, more, key] of refusals) {
    test(`${name} is a ${type.name}`, async () => {
      const asked = gate.client(key).chat.completions.create(chat("hello", more));
      await assert.rejects(asked, (error) => error instanceof type && error.code === code);
    });
  }
});

test("a limit is a RateLimitError that says which, why and when", () =>
  gated(["1 request per minute per key"], async (gate) => {
    const client = gate.client();
    await client.chat.completions.create(chat());
    await assert.rejects(client.chat.completions.create(chat()), (error) => {
      assert.ok(error instanceof OpenAI.RateLimitError);
      assert.equal(error.code, "rate_limit_exceeded");
      assert.equal(error.error.tollgate.limit, "1 request per minute per key");
      assert.ok(error.error.tollgate.retry_after_ms > 0);
      return true;
    });
  }));

test("the client waits as long as it is told and then passes", () =>
  gated(["2 requests per 3 seconds"], async (gate) => {
    const { attempts, fetch } = watched();
    const client = gate.client("APP_KEY", { fetch, maxRetries: 1 });
    for (let i = 0; i < 3; i += 1) await client.chat.completions.create(chat());
    assert.deepEqual(attempts.map((attempt) => attempt.status), [200, 200, 429, 200]);
    const slept = attempts[3].sentAt - attempts[2].answeredAt;
    // Timers of Node may fire a millisecond early.
    assert.ok(slept + 2 >= Number(attempts[2].headers.get("retry-after-ms")), `${slept} ms`);
  }));

test("a client that is told not to come back does not", () =>
  gated(["500 tokens per day"], async (gate) => {
    const { attempts, fetch } = watched();
    const client = gate.client("APP_KEY", { fetch, maxRetries: 5 });
    const asked = client.chat.completions.create(chat("hello ".repeat(600)));
    await assert.rejects(asked, { code: "insufficient_quota" });
    assert.equal(attempts.length, 1);
    assert.equal(attempts[0].headers.get("x-should-retry"), "false");
  }));

test("a hang-up frees its slot", () =>
  gated(["1 stream at once"], async (gate) => {
    const client = gate.client();
    const endless = chat("[[tokens:100000]] [[gap_ms:10]]", { stream: true });
    const first = await client.chat.completions.create(endless);
    await assert.rejects(client.chat.completions.create(endless), OpenAI.RateLimitError);
    first.controller.abort();
    const deadline = performance.now() + 5_000;
    for (;;) {
      try {
        const second = await client.chat.completions.create(endless);
        second.controller.abort();
        break;
      } catch (error) {
        assert.ok(error instanceof OpenAI.RateLimitError && performance.now() < deadline, error);
      }
    }
  }));
