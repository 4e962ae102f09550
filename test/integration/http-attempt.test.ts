import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { Attempt } from "../../src/data-plane/ingress/http/attempt.ts";
import { EngineConnections } from "../../src/data-plane/ingress/http/engine-connections.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { startScriptedEngine } from "#test/support/http-gateway.ts";

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

const timeouts = { connectTimeoutMs: 5_000, headTimeoutMs: 0, idleTimeoutMs: 0 };

/** An attempt whose answer is refused by its head. */
async function anUnwanted(answer: (response: ServerResponse) => void) {
  const sent: ServerResponse[] = [];
  const engine = await startScriptedEngine((_, response) => {
    sent.push(response);
    answer(response);
  });
  const clock = new FakeClock();
  const connections = new EngineConnections({ ...timeouts, perEndpointMax: 1 }, clock);
  opened.push(engine.close, async () => connections.close());
  const address = { hostPort: `127.0.0.1:${engine.port}` };
  await new Promise<void>((resolve, reject) => {
    const sink = {
      answered: () => {
        resolve();
        return "unwanted" as const;
      },
      chunk: () => true,
      ended: reject,
      switched: reject,
      failed: reject,
    };
    const attempt = new Attempt({ connections, address, clock, sink }, false);
    attempt.send({ path: "/", method: "GET" });
  });
  return { clock, sent };
}

describe("an unwanted answer", () => {
  it("frees its connection after a second if it does not end", async () => {
    const { clock, sent } = await anUnwanted((each) => each.writeHead(503).write("wait"));
    const closed = sent.map((response) => once(response, "close"));
    await clock.advance(1_000);
    await Promise.all(closed);
    expect(sent.map(({ writableFinished }) => writableFinished)).toEqual([false]);
  });
});
