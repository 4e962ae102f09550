import { beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { LiveFeed } from "./live-feed.js";

type Asked = { url: string; headers: Record<string, string>; signal: AbortSignal };

let clock: FakeClock;
let asked: Asked[];
let answer: () => Promise<Response>;
let feed: LiveFeed;

const aPage = () => Promise.resolve(Response.json({ endpoints: [] }));
const gone = () => Promise.reject(new TypeError("fetch failed"));

beforeEach(() => {
  clock = new FakeClock();
  asked = [];
  answer = aPage;
  feed = new LiveFeed({
    fetch: (url, { headers, signal }) => {
      asked.push({ url, headers, signal });
      return answer();
    },
    after: (run, ms) => clock.after(ms, run),
    nowMs: () => clock.nowMs(),
    onChange: () => {},
  });
});

/** Lets answers that are there be read, and time pass. */
async function pass(ms: number): Promise<void> {
  await clock.advance(0);
  await new Promise(setImmediate);
  await clock.advance(ms);
  await new Promise(setImmediate);
}

describe("the live feed", () => {
  it("asks again two seconds after each answer", async () => {
    feed.ask();
    await pass(1_999);
    expect(asked).toHaveLength(1);
    await pass(1);
    expect(asked).toHaveLength(2);
    expect(feed.state).toMatchObject({ kind: "live", pageAtMs: 2_000 });
  });

  it("asks one question at a time", async () => {
    answer = () => new Promise(() => {});
    feed.ask();
    feed.ask();
    await pass(60_000);
    feed.ask();
    expect(asked).toHaveLength(1);
  });

  it("keeps the last page with its time when the picker is gone, and asks less often", async () => {
    feed.ask();
    await pass(0);
    answer = gone;
    await pass(2_000);
    expect(feed.state).toMatchObject({
      kind: "lost",
      problem: "the picker cannot be reached",
      page: { endpoints: [] },
      pageAtMs: 0,
    });
    // After 4, 8, 10 and 10 s.
    const times: number[] = [];
    for (let second = 1; second <= 32; second += 1) {
      const before = asked.length;
      await pass(1_000);
      if (asked.length > before) times.push(second);
    }
    expect(times).toEqual([4, 12, 22, 32]);
    answer = aPage;
    await pass(10_000);
    expect(feed.state).toMatchObject({ kind: "live", problem: "" });
  });

  it.each([
    {
      what: "another server",
      reply: () => Promise.resolve(new Response("<html>")),
      problem: "the answer is not that of a picker",
    },
    {
      what: "a crowd",
      reply: () => Promise.resolve(new Response("busy\n", { status: 503 })),
      problem: "503 busy",
    },
  ])("is lost to $what", async ({ reply, problem }) => {
    answer = reply;
    feed.ask();
    await pass(0);
    expect(feed.state).toMatchObject({ kind: "lost", problem });
  });

  it.each([
    { how: "hidden", still: (is: boolean) => feed.hide(is) },
    { how: "paused", still: (is: boolean) => feed.pause(is) },
  ])("asks nothing while it is $how, and at once after that", async ({ still }) => {
    feed.ask();
    await pass(0);
    still(true);
    await pass(3_600_000);
    feed.ask();
    expect(asked).toHaveLength(1);
    still(false);
    expect(asked).toHaveLength(2);
  });

  it("takes back a question when it is hidden, and ignores its answer", async () => {
    const { promise, resolve } = Promise.withResolvers<Response>();
    answer = () => promise;
    feed.ask();
    feed.hide(true);
    expect(asked[0]?.signal.aborted).toBe(true);
    resolve(Response.json({ endpoints: ["late"] }));
    await pass(60_000);
    expect(feed.state).toMatchObject({ kind: "loading", page: undefined });
    expect(asked).toHaveLength(1);
  });

  it("waits for a token where one is wanted, and sends it from then on", async () => {
    answer = () => Promise.resolve(new Response("a token is required\n", { status: 401 }));
    feed.ask();
    await pass(60_000);
    expect(feed.state).toMatchObject({ kind: "locked", problem: "" });
    expect(asked).toHaveLength(1);
    feed.unlock(" bad ");
    await pass(0);
    expect(feed.state).toMatchObject({ kind: "locked", problem: "a token is required" });
    answer = aPage;
    feed.unlock("good");
    await pass(0);
    await feed.other("debug/config");
    expect(asked.map(({ headers }) => headers["authorization"])).toEqual([
      undefined,
      "Bearer bad",
      "Bearer good",
      "Bearer good",
    ]);
    expect(feed.state.kind).toBe("live");
  });
});
