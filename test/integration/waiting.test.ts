import { afterEach, describe, expect, it } from "vitest";
import type { RequestRecord } from "../../src/core/request-record.ts";
import type { Refusal } from "../../src/core/errors.ts";
import { drain } from "../../src/data-plane/ingress/drain.ts";
import type { TransportKind } from "../../src/data-plane/ingress/ext-proc/load-transport.ts";
import { streamsOf } from "../../src/data-plane/ingress/ext-proc/stream-machine.ts";
import { createDataPlane } from "../../src/gateway/data-plane.ts";
import { systemClock } from "../../src/std/clock.ts";
import { ExtProcClient } from "#test/support/ext-proc-client.ts";
import { quietPool } from "#test/support/quiet-pool.ts";
import { ScriptedRouting } from "#test/support/scripted-routing.ts";
import { aTransport, transportKinds } from "#test/support/transports.ts";
import { eventually } from "#test/support/wait.ts";

const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0).toReversed()) close();
});

/** The data plane behind a real gRPC port, where every request waits until the test admits it. */
async function serving(kind: TransportKind) {
  const queue: ((refusal: Refusal | undefined) => void)[] = [];
  const records: RequestRecord[] = [];
  const routing = new ScriptedRouting({
    // A body that is not read, so that a proxy may send any amount of it.
    bodyUse: () => "none",
    admit: () => new Promise((resolve) => void queue.push(resolve)),
  });
  const clock = systemClock;
  const dataPlane = createDataPlane({
    clock,
    pool: quietPool(),
    routing: () => routing,
    followers: [{ ended: (record) => void records.push(record) }],
  });
  const transport = await aTransport(
    kind,
    streamsOf({ dataPlane, bodyBytesMax: 2 ** 20, waitTimeoutMs: 0 }),
  );
  opened.push(() => transport.abort());
  const client = new ExtProcClient(await transport.listen("127.0.0.1", 0));
  opened.push(() => client.close());
  const waits = (count: number) =>
    eventually(`${count} requests that wait`, () =>
      dataPlane.waitingRequests === count ? true : undefined,
    );
  return { queue, records, dataPlane, transport, client, waits };
}

/** Resolves to whether a promise has settled after a while. */
async function hasSettled(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  promise.then(
    () => (isSettled = true),
    () => (isSettled = true),
  );
  await systemClock.sleep(200);
  return isSettled;
}

describe.each(transportKinds)("a request that waits for admission, over %s", (kind) => {
  it("gets its pick when it is admitted", async () => {
    const { queue, client, waits } = await serving(kind);
    const open = client.open({ body: "hello" });
    await waits(1);
    expect(await hasSettled(open.picked)).toBe(false);
    queue[0]?.(undefined);
    expect((await open.picked).headers["x-gateway-destination-endpoint"]).toBe("10.0.0.0:8000");
    await open.finish();
  });

  it("keeps a proxy from sending a long body meanwhile, and passes all of it on afterwards", async () => {
    const { queue, client, waits } = await serving(kind);
    const bytes = 8 * 2 ** 20;
    const open = client.open({ body: "x".repeat(bytes), chunkBytes: 32 * 1_024 });
    await waits(1);
    expect(await hasSettled(open.picked)).toBe(false);
    expect(open.passedBytes).toBe(0);
    // A stream may be 1 MiB ahead of its reader.
    expect(open.unsentBytes).toBeGreaterThan(bytes - 2 * 2 ** 20);
    queue[0]?.(undefined);
    await eventually("the whole body", () => (open.passedBytes === bytes ? true : undefined));
    await open.finish();
  });

  it("leaves the queue with its client", async () => {
    const { queue, client, records, dataPlane, waits } = await serving(kind);
    const open = client.open({ body: "hello" });
    await waits(1);
    open.leave();
    await waits(0);
    const record = await eventually("the end of the request", () => records[0]);
    expect(record).toMatchObject({ end: "aborted", endedBy: "client", decision: undefined });
    queue[0]?.(undefined);
    expect([dataPlane.waitingRequests, records.length]).toEqual([0, 1]);
  });

  it("is waited for by a drain, and cut off when the time to drain is over", async () => {
    const { queue, client, records, transport, waits } = await serving(kind);
    const [first, second] = [client.open({ body: "a" }), client.open({ body: "b" })];
    await waits(2);
    const options = { timeoutMs: 1_500, quietMs: 0, clock: systemClock };
    const drained = drain([transport], options, new AbortController().signal);
    expect(await hasSettled(drained)).toBe(false);
    queue[0]?.(undefined);
    await first.picked;
    await first.finish();
    expect([await hasSettled(drained), transport.openRequests]).toEqual([false, 1]);
    await drained;
    transport.abort();
    await expect(second.picked).rejects.toThrow(/closed/);
    const cut = await eventually("the end of the second", () => records[1]);
    expect(cut).toMatchObject({ end: "aborted", endedBy: "drain", decision: undefined });
    await waits(0);
  });
});
