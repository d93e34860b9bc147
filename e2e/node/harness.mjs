// The real binary and a scripted provider, each a process of its own on a free port.
// `TOLLGATE` and `PROVIDER` name the two programs; `cargo xtask e2e` sets them.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI, { AzureOpenAI } from "openai";

const START_MS_MAX = 30_000;
const CLAUDE = "claude-haiku-4-5";
const KEYS = {
  APP_KEY: "key-of-the-app-0123456789",
  NARROW_KEY: "key-of-the-narrow-tier-01",
  PROVIDER_KEY: "key-of-the-provider-01234",
};

/** Starts a program and waits until it has said what each pattern looks for. */
async function start(command, args, environment, patterns) {
  const child = spawn(command, args, { env: { ...process.env, ...environment } });
  child.stdin.end();
  const said = [];
  const found = new Array(patterns.length).fill(null);
  await new Promise((resolve, reject) => {
    const fail = () => reject(new Error(`${command} did not start:\n${said.join("\n")}`));
    const timer = setTimeout(fail, START_MS_MAX);
    child.on("error", reject);
    child.on("exit", fail);
    for (const output of [child.stdout, child.stderr]) {
      createInterface({ input: output }).on("line", (line) => {
        said.push(line);
        patterns.forEach((pattern, at) => (found[at] ??= line.match(pattern)?.[1] ?? null));
        if (found.every((text) => text !== null)) {
          clearTimeout(timer);
          resolve();
        }
      });
    }
  });
  const stop = () =>
    new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve();
      child.removeAllListeners("exit");
      child.once("exit", resolve);
      child.kill("SIGTERM");
      setTimeout(() => child.kill("SIGKILL"), 10_000).unref();
    });
  return { found, stop };
}

export async function startProvider() {
  const pattern = /(\d+\.\d+\.\d+\.\d+:\d+)/;
  const { found, stop } = await start(process.env.PROVIDER, ["--port", "0"], {}, [pattern]);
  return { url: `http://${found[0]}/v1`, stop };
}

/** `tollgate serve` with the given limits. */
export async function startGateway(provider, ...limits) {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-"));
  const file = join(folder, "tollgate.yaml");
  writeFileSync(file, configuration(provider, limits));
  const environment = { ...KEYS, TOLLGATE_ADMIN_TOKEN: "admin-token-of-the-e2e-tests" };
  const patterns = [/listening on (http:\/\/[\d.]+:\d+)/, /admin on (http:\/\/[\d.]+:\d+)/];
  const args = ["serve", "--config", file];
  const program = await start(process.env.TOLLGATE, args, environment, patterns);
  const [url] = program.found;
  return {
    client: (key = "APP_KEY", options = {}) =>
      new OpenAI({ baseURL: `${url}/v1`, apiKey: KEYS[key] ?? key, maxRetries: 0, ...options }),
    anthropic: (key = "APP_KEY", options = {}) =>
      new Anthropic({ baseURL: url, apiKey: KEYS[key] ?? key, maxRetries: 0, ...options }),
    azure: (key = "APP_KEY") =>
      new AzureOpenAI({
        endpoint: url,
        apiKey: KEYS[key] ?? key,
        apiVersion: "2024-10-21",
        maxRetries: 0,
      }),
    stop: async () => {
      await program.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

function configuration(provider, limits) {
  const models = ["gpt-4o", "gpt-4o-mini", "text-embedding-3-small", "omni-moderation-latest"];
  const serve = models.map((model) => `  ${model}: {serve: [scripted/${model}]}`).join("\n");
  const sentences = limits.map((limit) => `      - ${limit}`).join("\n");
  return `\
listen: 127.0.0.1:0
admin: 127.0.0.1:0
admin_token: \${TOLLGATE_ADMIN_TOKEN}
data: ":memory:"
retry: {attempts: 1}
breaker: {failures: 100, error_rate: 100%}
providers:
  scripted:
    kind: openai
    base_url: ${provider.url}
    api_key: \${PROVIDER_KEY}
    on_disconnect: cancel
  claude:
    kind: anthropic
    base_url: ${provider.url.replace("/v1", "")}
    api_key: \${PROVIDER_KEY}
    on_disconnect: cancel
models:
${serve}
  ${CLAUDE}: {serve: [claude/${CLAUDE}]}
tiers:
  open:
    models: [${models.join(", ")}, ${CLAUDE}]
    limits:
${sentences}
  narrow:
    models: [gpt-4o-mini]
    guardrails: {max_input_tokens: 100}
keys:
  - {name: app, secret: "\${APP_KEY}", tier: open}
  - {name: narrow, secret: "\${NARROW_KEY}", tier: narrow}
`;
}

/** One chat request's body. */
export function chat(text = "Say hello.", more = {}) {
  return { model: "gpt-4o-mini", messages: [{ role: "user", content: text }], ...more };
}

/** One message's body, in Anthropic's protocol. */
export function message(text = "Say hello.", more = {}) {
  return { model: CLAUDE, max_tokens: 200, messages: [{ role: "user", content: text }], ...more };
}

/** A `fetch` that remembers when each attempt left and what came back. */
export function watched() {
  const attempts = [];
  const fetched = async (url, init) => {
    const attempt = { sentAt: performance.now() };
    attempts.push(attempt);
    const response = await fetch(url, init);
    attempt.answeredAt = performance.now();
    attempt.status = response.status;
    attempt.headers = response.headers;
    return response;
  };
  return { attempts, fetch: fetched };
}
