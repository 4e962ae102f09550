import { afterEach, describe, expect, it } from "vitest";
import { HeldEngines } from "#test/support/held-engines.ts";
import { startHttpGateway } from "#test/support/http-gateway.ts";
import { type Rig, type RigOptions, startRig } from "#test/support/rig.ts";
import { eventually } from "#test/support/wait.ts";

let engines = new HeldEngines();
let rig: Rig | undefined;
afterEach(async () => {
  await rig?.close();
  await engines.close();
  rig = undefined;
  engines = new HeldEngines();
});

interface QueueSettings {
  /** Requests that an engine runs at a time. */
  readonly concurrency?: number;
  /** Fields of `flowControl`, as lines. */
  readonly flowControl?: readonly string[];
}

/** A document with flow control, and objectives of the priorities 100 and -10. */
function documentOf({ concurrency = 1, flowControl = [] }: QueueSettings): string {
  return `- {type: concurrency-detector, parameters: {maxConcurrency: ${concurrency}}}
- {type: round-robin-fairness-policy}
featureGates: [flowControl]
flowControl:
  saturationDetector: {pluginRef: concurrency-detector}
${flowControl.map((line) => `  ${line}\n`).join("")}
objectives: [{name: urgent, priority: 100}, {name: batch, priority: -10}]
`;
}

interface QueueOptions extends QueueSettings {
  readonly engineCount?: number;
  readonly rig?: Partial<RigOptions>;
}

/** A gateway with flow control in front of engines that hold their answers. */
async function aQueue(options: QueueOptions = {}): Promise<Rig> {
  const { engineCount = 1 } = options;
  rig = await startRig({
    engines: await engines.start(engineCount),
    apiVersion: "pointsman.dev/v1alpha1",
    scheduling: documentOf(options),
    ...options.rig,
  });
  return rig;
}

interface Answer {
  readonly name: string;
  readonly status: number;
  readonly reason: string | null;
  readonly retryAfter: string | null;
  readonly text: string;
}

interface AskOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

async function ask(url: string, name: string, options: AskOptions = {}): Promise<Answer> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...options.headers },
    body: JSON.stringify({ model: "m", user: name, messages: [{ role: "user", content: name }] }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  return {
    name,
    status: response.status,
    reason: response.headers.get("x-llm-d-request-dropped-reason"),
    retryAfter: response.headers.get("retry-after"),
    text: await response.text(),
  };
}

const askAll = (url: string, names: readonly string[], options?: AskOptions) =>
  names.map((name) => ask(url, name, options));

const numbered = (name: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${name}-${index}`);

const ten = (name: string) => Array.from({ length: 10 }, () => name);

const tenant = (name: string) => ({ headers: { "x-llm-d-inference-fairness-id": name } });
const objective = (name: string) => ({ headers: { "x-llm-d-inference-objective": name } });

/** Resolves once this many requests wait. */
const waits = (running: Rig, count: number) =>
  eventually(`${count} requests that wait`, async () =>
    (await running.metric("llm_d_epp_flow_control_queue_size")) === count ? true : undefined,
  );

const statuses = async (answers: readonly Promise<Answer>[]) =>
  countsOf((await Promise.all(answers)).map(({ status }) => String(status)));

function countsOf(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

/** Fills the only place of a pool of one request. */
async function fill(running: Rig): Promise<{ readonly first: Promise<Answer> }> {
  const first = ask(running.url, "first");
  // Tests that end before it leave it unanswered.
  first.catch(() => undefined);
  await engines.reached(1);
  return { first };
}

const transports: readonly (readonly string[])[] = [
  ["--transport=http2"],
  ["--transport=grpc-js"],
  ["--workers=2"],
];

describe.each(transports)("a queue behind Envoy, with %s", (...flags) => {
  it("answers all requests, and runs only as many at a time as the detector allows", async () => {
    const running = await aQueue({ engineCount: 2, concurrency: 2, rig: { flags } });
    const answers = askAll(running.url, numbered("r", 40));
    await waits(running, 36);
    expect(engines.running).toBe(4);
    await engines.answerUntil(40);
    engines.answerAll();
    expect(await statuses(answers)).toEqual({ 200: 40 });
    expect(engines.mostRunning).toBe(4);
    await waits(running, 0);
  });

  it("frees the place of a client that leaves, and no engine sees its request", async () => {
    const running = await aQueue({
      flowControl: ["defaultPriorityBand: {maxRequests: 2}"],
      rig: { flags },
    });
    const { first } = await fill(running);
    const client = new AbortController();
    const left = ask(running.url, "left", { signal: client.signal });
    const stays = ask(running.url, "stays");
    await waits(running, 2);
    client.abort();
    await expect(left).rejects.toThrow(/abort/i);
    await waits(running, 1);
    const next = ask(running.url, "next");
    await waits(running, 2);
    engines.answerAll();
    expect(await statuses([first, stays, next])).toEqual({ 200: 3 });
    expect(engines.arrived).not.toContain("left");
    expect(await running.metricsPage()).toMatch(
      /^llm_d_epp_flow_control_requests_total\{priority="0",.*outcome="EvictedContextCancelled"\} 1$/m,
    );
  });

  it("refuses a request whose time to wait is over, with 429 and the reason", async () => {
    const running = await aQueue({ flowControl: ["defaultRequestTTL: 20s"], rig: { flags } });
    await fill(running);
    const { text, ...answer } = await ask(running.url, "late", {
      headers: { "x-llm-d-inference-ttl": "300ms" },
    });
    expect(answer).toEqual({
      name: "late",
      status: 429,
      reason: "rejected-ttl-expired",
      retryAfter: expect.stringMatching(/^[1-9]\d?$/),
    });
    expect(JSON.parse(text)).toMatchObject({
      error: { type: "rate_limit_error", message: expect.stringMatching(/waited \d+ ms/) },
    });
    expect(engines.arrived).toEqual(["first"]);
  });

  it("serves requests that wait until the drain ends, and refuses the rest with 503", async () => {
    const running = await aQueue({ rig: { flags: [...flags, "--drain-timeout=5s"] } });
    const { first } = await fill(running);
    const answers = askAll(running.url, numbered("r", 10));
    await waits(running, 10);
    running.pickers[0]?.child.signal("SIGTERM");
    await running.pickers[0]?.child.line(/"msg":"draining"/);
    const added = await ask(running.url, "too-late");
    expect(added).toMatchObject({ status: 503, reason: "rejected-shutting-down" });
    await engines.answerUntil(6);
    expect(await first).toMatchObject({ status: 200 });
    const all = await Promise.all(answers);
    // One was running when the time was over, and is cut off.
    expect(countsOf(all.map(({ status }) => String(status)))).toEqual({ 200: 4, 500: 1, 503: 5 });
    const refused = all.filter(({ status }) => status === 503);
    expect(refused).toEqual(
      refused.map(({ name }) =>
        expect.objectContaining({ name, reason: "rejected-shutting-down", retryAfter: "1" }),
      ),
    );
  });
});

describe("a queue behind Envoy", () => {
  it("gives tenants the same share while all wait, however many requests each has", async () => {
    const running = await aQueue({
      flowControl: ["defaultPriorityBand: {fairnessPolicyRef: round-robin-fairness-policy}"],
    });
    await fill(running);
    const loud = askAll(running.url, numbered("loud", 100), tenant("loud"));
    await waits(running, 100);
    const others = ["a", "b"].flatMap((name) =>
      askAll(running.url, numbered(name, 10), tenant(name)),
    );
    await waits(running, 120);
    const arrived = await engines.answerUntil(31);
    const tenants = arrived.slice(1).map((name) => name.split("-")[0] ?? "");
    expect(countsOf(tenants)).toEqual({ loud: 10, a: 10, b: 10 });
    // In turns, and each tenant's own requests in the order in which they came.
    expect(tenants.slice(0, 6)).toEqual(["a", "b", "loud", "a", "b", "loud"]);
    engines.answerAll();
    expect(await statuses([...loud, ...others])).toEqual({ 200: 120 });
  });

  it("sends all of a higher priority before any of a lower one", async () => {
    const running = await aQueue();
    await fill(running);
    const answers = numbered("r", 10).flatMap((name) => [
      ask(running.url, `low-${name}`, objective("batch")),
      ask(running.url, `usual-${name}`),
      ask(running.url, `high-${name}`, objective("urgent")),
    ]);
    await waits(running, 30);
    const arrived = await engines.answerUntil(31);
    const priorities = arrived.slice(1).map((name) => name.split("-")[0]);
    expect(priorities).toEqual([...ten("high"), ...ten("usual"), ...ten("low")]);
    engines.answerAll();
    expect(await statuses(answers)).toEqual({ 200: 30 });
  });

  it("holds requests while the pool is empty, and loses none once endpoints come", async () => {
    const running = await aQueue({
      concurrency: 4,
      flowControl: ["defaultRequestTTL: 1s", "noEndpointRequestTTL: 60s"],
    });
    await running.setEndpoints([]);
    await eventually("the pool is empty", async () =>
      (await running.metric("llm_d_epp_ready_endpoints")) === 0 ? true : undefined,
    );
    const answers = askAll(running.url, numbered("r", 50));
    await waits(running, 50);
    engines.answerAll();
    await running.setEndpoints(await engines.start(2));
    expect(await statuses(answers)).toEqual({ 200: 50 });
  });

  it("refuses requests that wait for an empty pool for too long with 503", async () => {
    const running = await aQueue({ flowControl: ["noEndpointRequestTTL: 300ms"] });
    await running.setEndpoints([]);
    await eventually("the pool is empty", async () =>
      (await running.metric("llm_d_epp_ready_endpoints")) === 0 ? true : undefined,
    );
    const answer = await ask(running.url, "r");
    expect(answer).toMatchObject({ status: 503, reason: "rejected-no-endpoints" });
  });

  it.each([
    ["maxRequests: 2", /2 requests wait, the limit \(flowControl\.maxRequests\)/],
    [
      "defaultPriorityBand: {maxRequests: 2}",
      /2 requests of priority 0 wait, the limit \(maxRequests of the band\)/,
    ],
    ["maxBytes: 50", /hold 50 bytes, the limit \(flowControl\.maxBytes\)/],
  ])("refuses requests beyond %s with 429, and names the limit", async (limit, message) => {
    const running = await aQueue({ flowControl: [limit] });
    await fill(running);
    const answers = askAll(running.url, numbered("r", 5));
    const refused = await Promise.any(
      answers.map(async (each) => {
        const answer = await each;
        if (answer.status === 200) throw new Error("served");
        return answer;
      }),
    );
    expect(refused).toMatchObject({
      status: 429,
      reason: "rejected-saturated",
      retryAfter: expect.stringMatching(/^[1-9]\d?$/),
    });
    expect(JSON.parse(refused.text)).toMatchObject({
      error: { code: "saturated", message: expect.stringMatching(message) },
    });
    engines.answerAll();
    const { 200: served = 0, ...others } = await statuses(answers);
    expect(served).toBe(limit.startsWith("maxBytes") ? 0 : 2);
    expect(others).toEqual({ 429: 5 - served });
  });

  it("lets a request of a higher priority displace one of a lower one", async () => {
    const running = await aQueue({ flowControl: ["maxRequests: 1"] });
    const { first } = await fill(running);
    const low = ask(running.url, "low", objective("batch"));
    await waits(running, 1);
    const high = ask(running.url, "high", objective("urgent"));
    expect(await low).toMatchObject({ status: 429, reason: "rejected-saturated" });
    engines.answerAll();
    expect(await statuses([first, high])).toEqual({ 200: 2 });
  });

  it("keeps all requests at their places through reloads, and then uses the new rules", async () => {
    const running = await aQueue();
    const { first } = await fill(running);
    const answers = [];
    for (const name of numbered("r", 20)) {
      answers.push(ask(running.url, name));
      await waits(running, answers.length);
    }
    for (let round = 1; round <= 5; round += 1) {
      const flowControl = [`maxRequests: ${100 + round}`];
      await running.reconfigure(documentOf({ flowControl }));
      await eventually("the limit is in force", async () => {
        const page = await running.debugPage("/debug/queues");
        return page.includes(`"requests": ${100 + round}`) ? true : undefined;
      });
    }
    expect(await engines.answerUntil(21)).toEqual(["first", ...numbered("r", 20)]);
    engines.answerAll();
    expect(await statuses([first, ...answers])).toEqual({ 200: 21 });
  });

  it("loses no request that waits when flow control is turned off", async () => {
    const running = await aQueue();
    await fill(running);
    const answers = askAll(running.url, numbered("r", 20));
    await waits(running, 20);
    await running.reconfigure("");
    await eventually("flow control is off", async () =>
      (await running.debugPage("/debug/queues")).includes("false") ? true : undefined,
    );
    engines.answerAll();
    expect(await statuses(answers)).toEqual({ 200: 20 });
  });

  it.each([2, 4])(
    "loses only what runs at an engine that dies, one of %d, before any answer",
    async (engineCount) => {
      const running = await aQueue({ engineCount, concurrency: 2 });
      const answers = askAll(running.url, numbered("r", 40));
      await waits(running, 40 - 2 * engineCount);
      await engines.reached(2 * engineCount);
      await engines.kill(0);
      engines.answerAll();
      const { 200: served = 0, 503: lost = 0, ...others } = await statuses(answers);
      expect(others).toEqual({});
      expect(served + lost).toBe(40);
      // Two ran there, and two more may be on their way when the first failure is known.
      expect(lost).toBeLessThanOrEqual(4);
      await waits(running, 0);
    },
  );

  it("holds requests while connections to every engine fail, and sends them once one answers", async () => {
    const running = await aQueue();
    const answers = askAll(running.url, numbered("r", 21));
    await waits(running, 20);
    await engines.kill(0);
    engines.answerAll();
    const [next] = await engines.start(1);
    await eventually("the first failure is known", async () =>
      (await running.metricsPage()).includes('pointsman_endpoints_by_health{phase="paused"} 1')
        ? true
        : undefined,
    );
    await running.setEndpoints([next ?? { address: "127.0.0.1", port: 0 }]);
    const { 200: served = 0, ...lost } = await statuses(answers);
    expect(served).toBeGreaterThanOrEqual(18);
    expect(Object.keys(lost)).toEqual(["503"]);
  });

  it("shows the queue in metrics of both names before the first request, and in /debug/queues", async () => {
    const running = await aQueue({ flowControl: ["priorityBands: [{priority: 100}]"] });
    const page = await running.metricsPage();
    for (const prefix of ["llm_d_epp", "inference_extension"]) {
      for (const priority of [100, 0, -10]) {
        expect(page).toMatch(
          new RegExp(`^${prefix}_flow_control_queue_size\\{.*priority="${priority}".*\\} 0$`, "m"),
        );
      }
    }
    await fill(running);
    const answers = askAll(running.url, numbered("r", 3), tenant("acme"));
    await waits(running, 3);
    expect(JSON.parse(await running.debugPage("/debug/queues"))).toMatchObject({
      enabled: true,
      waitingRequests: 3,
      saturation: { effective: 1 },
      bands: [
        { priority: 100, waitingRequests: 0 },
        {
          priority: 0,
          waitingRequests: 3,
          limits: { requests: 5_000, bytes: 1e9, ttlMs: 60_000 },
          flows: [{ fairnessId: "acme", waiting: 3 }],
        },
        { priority: -10, waitingRequests: 0 },
      ],
    });
    engines.answerAll();
    expect(await statuses(answers)).toEqual({ 200: 3 });
  });

  it.each([
    { mode: "BUFFERED", runs: "ends a wait", answer: { status: 504, reason: null } },
    {
      mode: "FULL_DUPLEX_STREAMED",
      runs: "does not end a wait",
      answer: { status: 429, reason: "rejected-ttl-expired" },
    },
  ] as const)("$runs by Envoy's message_timeout in mode $mode", async (row) => {
    const { mode: requestBodyMode, answer } = row;
    const envoy = { messageTimeoutSeconds: 1, requestBodyMode } as const;
    const running = await aQueue({ flowControl: ["defaultRequestTTL: 2s"], rig: { envoy } });
    await fill(running);
    expect(await ask(running.url, "r")).toMatchObject(answer);
    await waits(running, 0);
  });

  it.each([
    { mode: "BUFFERED", timeout: { routeTimeoutSeconds: 1 }, ends: "does not end", status: 503 },
    { mode: "BUFFERED", timeout: { idleTimeoutSeconds: 1 }, ends: "ends", status: 504 },
    {
      mode: "FULL_DUPLEX_STREAMED",
      timeout: { routeTimeoutSeconds: 1 },
      ends: "does not end",
      status: 503,
    },
    { mode: "FULL_DUPLEX_STREAMED", timeout: { idleTimeoutSeconds: 1 }, ends: "ends", status: 504 },
  ] as const)("$ends a wait by $timeout in mode $mode", async ({ mode, timeout, status }) => {
    const envoy = { requestBodyMode: mode, ...timeout };
    const running = await aQueue({ flowControl: ["defaultRequestTTL: 2s"], rig: { envoy } });
    await running.setEndpoints([]);
    await eventually("an empty pool", async () =>
      (await running.metric("llm_d_epp_ready_endpoints")) === 0 ? true : undefined,
    );
    // The picker's own answer is 503, and Envoy's is 504.
    expect(await ask(running.url, "r")).toMatchObject({ status });
    await waits(running, 0);
  });

  describe.each(transports)("%s that asks Envoy for more time", (flag) => {
    it.each([
      {
        allowed: 30,
        ends: "is not ended",
        answer: { status: 429, reason: "rejected-ttl-expired" },
      },
      // Envoy ignores a time beyond its max_message_timeout.
      { allowed: 3, ends: "is ended", answer: { status: 504, reason: null } },
    ])("$ends by its message_timeout, of $allowed s allowed", async ({ allowed, answer }) => {
      const timeouts = { messageTimeoutSeconds: 1, maxMessageTimeoutSeconds: allowed };
      const envoy = { ...timeouts, requestBodyMode: "BUFFERED" } as const;
      const flags = [flag, "--max-message-timeout=30s"];
      const running = await aQueue({
        flowControl: ["defaultRequestTTL: 2s"],
        rig: { envoy, flags },
      });
      const { first } = await fill(running);
      expect(await ask(running.url, "r")).toMatchObject(answer);
      // A request that is served after its wait, in the state that the message has left.
      const second = ask(running.url, "second");
      await waits(running, 1);
      engines.answerAll();
      expect([(await first).status, (await second).status]).toEqual([200, 200]);
    });
  });
});

describe("a queue of pointsman gateway", () => {
  it("serves by priority, refuses what waits for too long, and frees the places of clients that leave", async () => {
    const [engine] = await engines.start(1);
    const gateway = await startHttpGateway({
      engines: [engine?.port ?? 0],
      ignoresModels: true,
      document: `apiVersion: pointsman.dev/v1alpha1
kind: EndpointPickerConfig
plugins:
${documentOf({})}`,
    });
    const size = async () => JSON.parse(await gateway.page("/debug/queues")).waitingRequests;
    const waitsFor = (count: number) =>
      eventually(`${count} that wait`, async () => ((await size()) === count ? true : undefined));
    try {
      const url = gateway.origin;
      const first = ask(url, "first");
      await engines.reached(1);
      const client = new AbortController();
      const left = ask(url, "left", { signal: client.signal });
      const low = ask(url, "low", objective("batch"));
      const late = ask(url, "late", { headers: { "x-llm-d-inference-ttl": "300ms" } });
      await waitsFor(3);
      client.abort();
      await expect(left).rejects.toThrow(/abort/i);
      expect(await late).toMatchObject({ status: 429, reason: "rejected-ttl-expired" });
      const high = ask(url, "high", objective("urgent"));
      await waitsFor(2);
      expect(await engines.answerUntil(3)).toEqual(["first", "high", "low"]);
      engines.answerAll();
      expect(await statuses([first, high, low])).toEqual({ 200: 3 });
      await waitsFor(0);
    } finally {
      await gateway.close();
    }
  });

  it("lets requests of engines that die wait again, so that none fails", async () => {
    const listed = await engines.start(3);
    const gateway = await startHttpGateway({
      engines: listed.map(({ port }) => port),
      ignoresModels: true,
      document: `apiVersion: pointsman.dev/v1alpha1
kind: EndpointPickerConfig
plugins:
${documentOf({ concurrency: 2 })}`,
    });
    try {
      const answers = askAll(gateway.origin, numbered("r", 40));
      await engines.reached(6);
      await Promise.all([engines.kill(0), engines.kill(1)]);
      engines.answerAll();
      expect(await statuses(answers)).toEqual({ 200: 40 });
    } finally {
      await gateway.close();
    }
  });
});
