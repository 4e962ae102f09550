import type { ServerResponse } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import {
  type HttpGatewayOptions,
  startHttpGateway,
  startScriptedEngine,
} from "#test/support/http-gateway.ts";
import { eventually } from "#test/support/wait.ts";

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

type Answer = (response: ServerResponse) => void;

const whole = 'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\ndata: [DONE]\n\n';
const streamHead = { "content-type": "text/event-stream" };

const answers: Answer = (response) => void response.writeHead(200, streamHead).end(whole);
const hangs: Answer = () => undefined;
const sendsHeadOnly: Answer = (response) => {
  response.writeHead(200, streamHead).flushHeaders();
};
/** Long after the second attempt of a hedged request would have left. */
const answersLate: Answer = (response) => void setTimeout(() => answers(response), 400);
const fails =
  (status: number): Answer =>
  (response) =>
    void response.writeHead(status).end("{}");

/** The first engine that gets a request does the first thing, the next one the second. */
async function hedging(order: readonly Answer[], http: HttpGatewayOptions["http"] = {}) {
  const seen = { asked: 0, closed: 0, bodies: [] as string[] };
  const engines = await Promise.all(
    order.map(() =>
      startScriptedEngine((_, response, body) => {
        const answer = order[seen.asked % order.length];
        seen.asked += 1;
        seen.bodies.push(body.toString());
        response.once("close", () => {
          if (!response.writableFinished) seen.closed += 1;
        });
        answer?.(response);
      }),
    ),
  );
  for (const { close } of engines) opened.push(close);
  const gateway = await startHttpGateway({
    engines: engines.map(({ port }) => port),
    http: { hedgeAfter: { kind: "fixed", ms: 200 }, ...http },
  });
  opened.push(gateway.close);
  const metric = async (name: string) => {
    const page = await gateway.page("/metrics");
    return Number(new RegExp(`^${name} (.*)$`, "mu").exec(page)?.[1]);
  };
  /** Requests in flight at all endpoints. */
  const inFlight = async () => {
    const page = await gateway.page("/debug/pool");
    const counts = page.matchAll(/"inFlightRequests":\s*(\d+)/gu);
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  };
  return { ...gateway, seen, metric, inFlight };
}

const chat = { model: "m", messages: [{ role: "user", content: "hi" }], stream: true };

const lineOf = (gateway: Awaited<ReturnType<typeof hedging>>) =>
  eventually("the log", () => gateway.requests()[0]);

describe("a request whose endpoint does not begin its answer", () => {
  it.each([
    ["does not answer", hangs],
    ["sends no more than a head", sendsHeadOnly],
  ])("goes to a second endpoint too, if the first one %s", async (_, first) => {
    const gateway = await hedging([first, answers]);
    const response = await gateway.ask(chat);
    expect([response.status, await response.text()]).toEqual([200, whole]);
    // The first engine's work ends at once.
    await eventually("the close", () => (gateway.seen.closed === 1 ? true : undefined));
    expect(gateway.seen.bodies).toEqual([JSON.stringify(chat), JSON.stringify(chat)]);
    const line = await lineOf(gateway);
    expect(line).toMatchObject({ status: 200, end: "complete", endpoint: line["servedBy"] });
    expect(line["outrun"]).not.toBe(line["servedBy"]);
    expect(line["failedBefore"]).toBeUndefined();
    expect(await gateway.metric("pointsman_hedges_total")).toBe(1);
    expect(await gateway.metric("pointsman_hedges_won_total")).toBe(1);
    const page = await gateway.page(`/debug/decisions?request=${String(line["requestId"])}`);
    // Both attempts, newest first: the one that was outrun has no answer of its own.
    expect(JSON.parse(page)).toMatchObject({
      decisions: [
        {
          picked: [`default/${String(line["servedBy"])}`],
          actual: { end: "complete" },
        },
        { picked: [`default/${String(line["outrun"])}`], actual: { attempt: "outrun" } },
      ],
    });
  });

  it("ejects no endpoint, however often it is outrun", async () => {
    const gateway = await hedging([hangs, answers], {
      retries: { retriesMax: 2, budget: { ratio: 1, floor: 100 } },
    });
    for (let sent = 0; sent < 12; sent += 1) await (await gateway.ask(chat)).text();
    expect(await gateway.metric("pointsman_hedges_total")).toBe(12);
    expect(gateway.lines.filter(({ msg }) => msg === "endpoint ejected")).toEqual([]);
    await eventually("no request in flight", async () =>
      (await gateway.inFlight()) === 0 ? true : undefined,
    );
  });

  it("keeps the first endpoint if it answers before the second", async () => {
    const late: ServerResponse[] = [];
    const gateway = await hedging([(response) => void late.push(response), hangs]);
    const asked = gateway.ask(chat);
    await eventually("the hedge", () => (gateway.seen.asked === 2 ? true : undefined));
    for (const response of late) answers(response);
    expect(await (await asked).text()).toBe(whole);
    await eventually("the close", () => (gateway.seen.closed === 1 ? true : undefined));
    expect(await gateway.metric("pointsman_hedges_total")).toBe(1);
    expect(await gateway.metric("pointsman_hedges_won_total")).toBe(0);
    expect(await lineOf(gateway)).toMatchObject({ status: 200, end: "complete" });
  });

  it.each([500, 503])("waits for the other endpoint if one answers %i", async (status) => {
    const late: ServerResponse[] = [];
    const gateway = await hedging([(response) => void late.push(response), fails(status)]);
    const asked = gateway.ask(chat);
    await eventually("the hedge", () => (gateway.seen.asked === 2 ? true : undefined));
    await eventually("the failure", async () =>
      (await gateway.inFlight()) === 1 ? true : undefined,
    );
    for (const response of late) answers(response);
    expect(await (await asked).text()).toBe(whole);
    const line = await lineOf(gateway);
    expect(line["failedBefore"]).toMatch(/^127\.0\.0\.1:\d+$/u);
  });

  it("is retried elsewhere if both fail", async () => {
    const gateway = await hedging([
      (response) => void setTimeout(() => response.destroy(), 400),
      fails(503),
      answers,
    ]);
    const response = await gateway.ask(chat);
    expect([response.status, await response.text()]).toEqual([200, whole]);
    const line = await lineOf(gateway);
    expect(String(line["failedBefore"]).split(",")).toHaveLength(2);
    const page = await gateway.page(`/debug/decisions?request=${String(line["requestId"])}`);
    // Newest first: the retry, the hedge that was refused, and the first attempt, whose connection broke last.
    expect(JSON.parse(page)).toMatchObject({
      decisions: [
        { actual: { end: "complete" } },
        { actual: { attempt: "failed", httpStatus: 503, end: "complete" } },
        { actual: { attempt: "failed", httpStatus: 502, end: "aborted" } },
      ],
    });
  });

  it("ends at both endpoints if the client leaves", async () => {
    const gateway = await hedging([hangs, hangs]);
    const leave = new AbortController();
    const asked = gateway.ask(chat, { signal: leave.signal }).catch(() => undefined);
    await eventually("the hedge", () => (gateway.seen.asked === 2 ? true : undefined));
    leave.abort();
    await asked;
    await eventually("the closes", () => (gateway.seen.closed === 2 ? true : undefined));
    const line = await lineOf(gateway);
    expect(line).toMatchObject({ end: "aborted", endedBy: "client" });
  });
});

describe("a request is not hedged", () => {
  const soon: HttpGatewayOptions["http"] = { hedgeAfter: { kind: "fixed", ms: 50 } };

  it.each([
    ["that does not stream", { ...chat, stream: false }, "/v1/chat/completions"],
    ["of an unknown API", { ...chat }, "/v1/own"],
  ])("%s", async (_, body, path) => {
    const gateway = await hedging([answersLate, answers], soon);
    expect((await gateway.ask(body, {}, path)).status).toBe(200);
    expect(gateway.seen.asked).toBe(1);
  });

  it("if the flag is not set", async () => {
    const gateway = await hedging([answersLate, answers], { hedgeAfter: undefined });
    expect((await gateway.ask(chat)).status).toBe(200);
    expect(gateway.seen.asked).toBe(1);
  });

  it("if its endpoint is in time", async () => {
    const gateway = await hedging([answers, answers], {
      hedgeAfter: { kind: "fixed", ms: 10_000 },
    });
    for (let sent = 0; sent < 5; sent += 1) await (await gateway.ask(chat)).text();
    expect(await gateway.metric("pointsman_hedges_total")).toBe(0);
  });

  it("if no other endpoint is left", async () => {
    const gateway = await hedging([answersLate], soon);
    expect((await gateway.ask(chat)).status).toBe(200);
    expect(await gateway.metric("pointsman_hedges_total")).toBe(0);
  });

  it("beyond half of the budget of retries", async () => {
    const gateway = await hedging([answersLate, answersLate], {
      ...soon,
      retries: { retriesMax: 0, budget: { ratio: 0, floor: 6 } },
    });
    const answered = await Promise.all(Array.from({ length: 6 }, () => gateway.ask(chat)));
    expect(answered.map(({ status }) => status)).toEqual(Array.from({ length: 6 }, () => 200));
    expect(await gateway.metric("pointsman_hedges_total")).toBe(3);
  });
});
