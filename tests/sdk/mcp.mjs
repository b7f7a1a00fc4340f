// The official SDKs for MCP of JavaScript, by HTTP and by a command, against a node whose place the
// environment gives. It lists and calls the tools of another node, with progress and a cancel.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import * as two from "@modelcontextprotocol/client";
import { StdioClientTransport as StdioTwo } from "@modelcontextprotocol/client/stdio";
import { Client as One } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as StdioOne } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as HttpOne } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const { URL_OF_MCP: url, TOKEN: token, COMMAND: command, NOTES: notes, SERVED: served } = process.env;
const [program, ...args] = JSON.parse(command);
const own = { name: "test", version: "1" };
const bearer = { requestInit: { headers: { Authorization: `Bearer ${token}` } } };
const pinned = { versionNegotiation: { mode: { pin: "2026-07-28" } } };
const noted = (words) => readFileSync(notes, "utf8").split("\n").filter((line) => line === words).length;

async function until(condition, what) {
  for (let times = 0; times < 500; times++) {
    if (condition()) return;
    await sleep(20);
  }
  assert.fail(what);
}

const sdks = {
  "sdk 1.x": {
    client: () => new One(own),
    http: () => new HttpOne(new URL(url), bearer),
    stdio: () => new StdioOne({ command: program, args, env: process.env }),
    call: (client, params, options) => client.callTool(params, undefined, options),
  },
  "client 2.x, 2026-07-28": {
    client: () => new two.Client(own, pinned),
    http: () => new two.StreamableHTTPClientTransport(new URL(url), bearer),
    stdio: () => new StdioTwo({ command: program, args, env: process.env }),
    call: (client, params, options) => client.callTool(params, options),
  },
};

for (const [name, sdk] of Object.entries(sdks))
  for (const way of ["http", "stdio"])
    test(`${name} by ${way}`, async () => {
      const client = sdk.client();
      await client.connect(sdk[way]());
      try {
        await uses(client, sdk.call);
      } finally {
        await client.close();
      }
    });

async function uses(client, call) {
  const { tools } = await client.listTools();
  const names = tools.map((tool) => tool.name);
  for (const name of ["oracle", "count", "wait"]) assert.ok(names.includes(`${served}__${name}`), names);
  const oracle = tools.find((tool) => tool.name === `${served}__oracle`);
  assert.equal(oracle.annotations.readOnlyHint, true);

  const steps = [];
  const params = { name: `${served}__count`, arguments: { to: 5 } };
  const counted = await call(client, params, { onprogress: (step) => steps.push(step) });
  assert.deepEqual(counted.structuredContent, { counted: 5 });
  assert.deepEqual(steps.at(-1), { progress: 5, total: 5, message: "at 5" });

  const before = noted("wait ended");
  const abort = new AbortController();
  const onprogress = () => abort.abort();
  const waiting = call(client, { name: `${served}__wait` }, { onprogress, signal: abort.signal });
  await assert.rejects(waiting);
  await until(() => noted("wait ended") > before, "the cancel has not arrived");

  const said = await call(client, { name: `${served}__oracle` }, {});
  assert.equal(said.content[0].text, "the secret word is ibis");
  const wrong = await call(client, { name: `${served}__count`, arguments: { to: "x" } }, {});
  assert.equal(wrong.isError, true);
}
