// Anthropic's official Node client against the real binary and a scripted provider.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { message, startGateway, startProvider, watched } from "./harness.mjs";

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

describe("Anthropic without a limit in the way", () => {
  let gate;
  before(async () => (gate = await startGateway(provider, "1M requests per minute")));
  after(() => gate?.stop());

  test("a message", async () => {
    const answer = await gate.anthropic().messages.create(message("[[tokens:12]]"));
    assert.equal(answer.usage.output_tokens, 12);
    assert.ok(answer.content[0].text);
  });

  test("a streamed message that calls tools", async () => {
    const tools = [{ name: "search", input_schema: { type: "object" } }];
    const stream = gate.anthropic().messages.stream(message("[[tool_calls:2]]", { tools }));
    const answer = await stream.finalMessage();
    assert.deepEqual(answer.content.map((block) => block.name), ["search", "search"]);
    assert.deepEqual(answer.content[0].input, { query: "toll gate" });
  });

  test("tokens are counted", async () => {
    const { model, messages } = message("[[prompt_tokens:123]]");
    const counted = await gate.anthropic().messages.countTokens({ model, messages });
    assert.equal(counted.input_tokens, 123);
  });

  const refusals = [
    ["an unknown key", Anthropic.AuthenticationError, {}, "a-key-nobody-made"],
    ["a model off the list", Anthropic.PermissionDeniedError, {}, "NARROW_KEY"],
    ["an unknown model", Anthropic.NotFoundError, { model: "claude-9" }],
    ["no room for an answer", Anthropic.BadRequestError, { max_tokens: 0 }],
    ["a failing provider", Anthropic.InternalServerError,
      { messages: [{ role: "user", content: "[[fault:500]]" }] }],
  ];
  for (const [name, type, more, key] of refusals) {
    test(`${name} is a ${type.name} of Anthropic's`, async () => {
      const asked = gate.anthropic(key).messages.create(message("hello", more));
      await assert.rejects(asked, (error) => error instanceof type && error.error.type === "error");
    });
  }
});

test("Anthropic's client waits as long as it is told and then passes", () =>
  gated(["2 requests per 3 seconds"], async (gate) => {
    const { attempts, fetch } = watched();
    const client = gate.anthropic("APP_KEY", { fetch, maxRetries: 1 });
    for (let i = 0; i < 3; i += 1) await client.messages.create(message());
    assert.deepEqual(attempts.map((attempt) => attempt.status), [200, 200, 429, 200]);
    const slept = attempts[3].sentAt - attempts[2].answeredAt;
    // Timers of Node may fire a millisecond early.
    assert.ok(slept + 2 >= Number(attempts[2].headers.get("retry-after-ms")), `${slept} ms`);
  }));

test("Anthropic's client does not sleep through an exhausted day", () =>
  gated(["1 request per day per key"], async (gate) => {
    const { attempts, fetch } = watched();
    const client = gate.anthropic("APP_KEY", { fetch, maxRetries: 5 });
    await client.messages.create(message());
    await assert.rejects(client.messages.create(message()), Anthropic.RateLimitError);
    assert.equal(attempts.length, 2);
    assert.equal(attempts[1].headers.get("x-should-retry"), "false");
  }));
