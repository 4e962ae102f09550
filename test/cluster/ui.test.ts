import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Child, startPointsman } from "#test/support/child.ts";
import { aHitGroup, aHitReport, type ReportParts, someAnswers } from "#test/support/hit-report.ts";
import {
  aLiveSource,
  aQueue,
  type LiveParts,
  quietRow,
  someLines,
} from "#test/support/live-source.ts";
import { fastEngine, startEngines } from "#test/support/simulated.ts";
import { eventually } from "#test/support/wait.ts";
import type { ShadowPage } from "../../src/admin/shadow-page.ts";
import { type AdminGuard, AdminServer, jsonPage, textPage } from "../../src/admin/admin-server.ts";
import { hitsPageOf } from "../../src/admin/hits-page.ts";
import { livePageOf } from "../../src/admin/live-page.ts";
import { askingForToken, uiPages } from "../../src/admin/ui-pages.ts";
import type { Simulator } from "../../src/simulator/simulator.ts";
import { findChromium } from "../components/chromium.ts";

/** A folder that gets a picture of each state; none by default. */
const pictures = process.env["UI_PICTURES"] ?? "";

let browser: Browser;
beforeAll(async () => {
  const executablePath = await findChromium((line) => void process.stderr.write(`${line}\n`));
  // Chromium's sandbox does not run as root, as tests do in a container.
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  if (pictures !== "") await mkdir(pictures, { recursive: true });
}, 600_000);
afterAll(() => browser?.close());

let faults: string[];
let page: Page;
let servers: AdminServer[];
beforeEach(() => {
  faults = [];
  servers = [];
});
afterEach(async () => {
  await page?.context().close();
  await Promise.all(servers.map((server) => server.close()));
});

interface Look {
  readonly width?: number;
  readonly height?: number;
  readonly colorScheme?: "light" | "dark";
}

/** A window whose page may load from this origin alone; mistakes of the page are collected. */
async function openPage(origin: string, hash = "", look: Look = {}): Promise<Page> {
  const { width = 1280, height = 800, colorScheme = "light" } = look;
  const context = await browser.newContext({ viewport: { width, height }, colorScheme });
  const opened = await context.newPage();
  opened.on("pageerror", (error) => void faults.push(error.message));
  opened.on("console", (message) => {
    // A browser reports each failed request so: the connection may be lost on purpose.
    const isNetwork = /Failed to load resource/u.test(message.text());
    if (["error", "warning"].includes(message.type()) && !isNetwork) faults.push(message.text());
  });
  opened.on("request", (request) => {
    if (new URL(request.url()).origin !== origin) faults.push(`request to ${request.url()}`);
  });
  await opened.goto(`${origin}/ui${hash}`);
  return opened;
}

async function picture(name: string): Promise<void> {
  if (pictures !== "") await page.screenshot({ path: path.join(pictures, `${name}.png`) });
}

const viewsWithTables = ["pool", "decisions", "queues", "hits", "config", "shadow", "decision/7"];

const numbers = {
  decisions: 1_240,
  same: 756,
  refused: 0,
  agreementRatio: 0.61,
  ttftDifferenceMs: 14,
  slowerMs: { count: 384, mean: 48, p50: 31, p90: 92, p99: 180 },
  fasterMs: { count: 100, mean: 11, p50: 8.4, p90: 19, p99: 44 },
  hitDifferenceTokens: -128,
  fewerHitTokens: null,
  moreHitTokens: null,
};
const evilName = "<img src=x onerror=document.title='owned'>";

/** A shadow document in a rollout. */
const aShadow: ShadowPage = {
  enabled: true,
  document: {
    hash: "1dacda9b233e6228",
    source: "shadow.yaml",
    appliedAt: "2026-11-30T12:19:40.328Z",
    isInForce: false,
    warnings: ["health: differs from the document in force"],
    text: "kind: EndpointPickerConfig\n",
  },
  refused: {
    hash: "77",
    refusedAt: "2026-11-30T12:20:40.328Z",
    mistakes: [`plugins[0].type: there is no plugin ${evilName}`],
  },
  learnedRatio: 1,
  comparedRatio: 0.4,
  cpuBudgetRatio: 0.02,
  cpuUsedRatio: 0.008,
  failures: 0,
  rollout: {
    state: "rolledBack",
    shareRatio: 0,
    overdueRatio: 0,
    steps: [0.01, 0.1, 0.5],
    since: "2026-11-30T12:21:40.328Z",
    waitsFor: [],
    reasons: ["time to first token: +61 % (between +32 % and +96 %)"],
    requests: { inForce: 2_291, shadow: 2_304 },
    errors: { inForce: 1, shadow: 2 },
    rises: [
      { measure: "ttft", pairs: 88, rise: { mean: 0.61, lower: 0.32, upper: 0.96 } },
      { measure: "answer", pairs: 0, rise: null },
      { measure: "tpot", pairs: 80, rise: { mean: 0.01, lower: -0.02, upper: 0.04 } },
    ],
    advice: null,
  },
  total: numbers,
  sets: [
    { model: "llama", targetModel: "llama-70b", fairnessId: evilName, priority: "0", ...numbers },
  ],
  reasons: [{ reason: "queue-scorer", decisions: 290 }],
  differences: [
    {
      at: "2026-11-30T12:22:40.328Z",
      requestId: "request-7",
      model: "llama",
      picked: "default/engine-1",
      shadowPick: null,
      reason: "refused",
      ttftDifferenceMs: null,
      hitDifferenceTokens: null,
    },
  ],
};

/** An admin port with the live page over what `parts` and `hits` return at each question. */
async function served(
  parts: () => LiveParts,
  {
    guard,
    hits = () => ({}),
  }: { readonly guard?: AdminGuard; readonly hits?: () => ReportParts } = {},
) {
  const asked: string[] = [];
  const pages = uiPages();
  const live = () => {
    asked.push("live");
    return livePageOf(aLiveSource(parts()))();
  };
  const decision = {
    ...{
      id: 7,
      requestId: "request-7",
      at: "2026-01-01T12:00:00.000Z",
      api: "chat",
      model: "llama",
    },
    ...{ targetModel: "llama", priority: 0, promptTokens: 900, profile: "default", margin: 0.25 },
    picked: ["default/engine-1"],
    candidates: [0, 1].map((slot) => ({
      endpoint: `default/engine-${slot}`,
      waitingRequests: slot,
    })),
    profiles: [
      {
        name: "default",
        unwell: [],
        filters: [{ name: "by-label", keptCount: 2, dropped: ["default/engine-2"] }],
        scorers: [{ name: "queue-scorer", weight: 2 }],
        totals: [1, 0].map((slot) => ({
          endpoint: `default/engine-${slot}`,
          total: slot + 0.75,
          scores: { "queue-scorer": (slot + 0.75) / 2 },
        })),
        picked: ["default/engine-1"],
      },
    ],
    actual: { end: "complete", ttftMs: 88, servedBy: "10.0.0.1:8000" },
  };
  const all = {
    ...pages,
    "/debug/live": live,
    "/debug/decisions": (query: URLSearchParams) =>
      jsonPage({
        decisions: ["7", "request-7"].includes(query.get("id") ?? query.get("request") ?? "")
          ? [decision]
          : [],
      }),
    "/debug/shadow": () => jsonPage(aShadow),
    "/debug/hits": () => jsonPage(hitsPageOf(aHitReport(hits()))),
    "/debug/config": () => jsonPage({ document: "kind: EndpointPickerConfig\n" }),
    // A request that was refused before any decision.
    "/explain/request-9": () => textPage(200, "refused: the queue is full\n"),
    "/explain/request-7": () => textPage(200, "engine-0: 1.9 s of prefill ahead of it\n"),
  };
  const server = new AdminServer(
    { pages: all, guard: guard && askingForToken(guard) },
    { error: (fields: object) => void faults.push(JSON.stringify(fields)) },
  );
  servers.push(server);
  const port = await server.listen("127.0.0.1", 0);
  return { origin: `http://127.0.0.1:${port}`, server, asked };
}

async function rowTexts(): Promise<string[]> {
  return page.locator("main table").first().locator("tbody tr").allInnerTexts();
}

const axeFile = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** Breaches of WCAG 2.2 A and AA that axe finds. */
async function breaches(): Promise<readonly string[]> {
  await page.evaluate(await readFile(axeFile, "utf8"));
  // The script is axe's; its result has the rules that were broken.
  return (await page.evaluate(
    `axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }).then(
      ({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ": " + html)))`,
  )) as readonly string[];
}

/** Lets one token in. */
const guard: AdminGuard = (_, authorization) =>
  Promise.resolve(
    authorization === "Bearer good" ? undefined : textPage(401, "a bearer token is required\n"),
  );

/** A pool in trouble of every kind. */
const troubled: LiveParts = {
  health: {
    1: { phase: "ejected", reason: "slow", evidence: { ttftMs: 1_900, usualMs: 210 } },
  },
  pool: {
    notReady: ["this replica is not the leader"],
    leftOut: [
      { namespace: "default", name: "twin", reason: "duplicate-address", detail: "engine-0" },
    ],
  },
  config: {
    isRefused: true,
    history: [
      {
        at: "2026-01-01T11:59:00.000Z",
        outcome: "refused",
        hash: "ff00ff00ff00ff00",
        source: "/etc/pointsman/config.yaml",
        mistakeCount: 1,
        mistakes: ["schedulingProfiles[0].plugins[0].weight: must be a number"],
      },
    ],
  },
  queues: aQueue(12),
  decisions: { count: 50, lines: someLines(50) },
};

/** A ladder with gaps of every kind. */
const leaking: ReportParts = {
  rungs: { ceiling: 0.71, capacity: 0.58, reachable: 0.52, predicted: 0.41, delivered: 0.2 },
  steps: [0.25, 0.5, 1, 2, 4, 8].map((factor) => ({
    factor,
    tokens: factor * 1_600_000,
    ratio: Math.min(0.71, 0.58 + Math.log2(factor) * 0.05),
  })),
  groups: [
    aHitGroup({ tenant: "chat" }),
    aHitGroup({
      tenant: "reports",
      starts: { pairs: 40, alike: 39, differFromTokens: 0, lostRatio: 0.94 },
    }),
    aHitGroup({ model: "", tenant: "", isOthers: true }),
  ],
  endpoints: [
    {
      id: "default/engine-0",
      counted: undefined,
      ...someAnswers({ delivered: 0.8, predicted: 0.8 }),
    },
    {
      id: "default/engine-1",
      counted: undefined,
      ...someAnswers({ delivered: 0.79, predicted: 0.8 }),
    },
    {
      id: "default/engine-2",
      counted: undefined,
      ...someAnswers({ delivered: 0, predicted: 0.8 }),
    },
  ],
};

describe("the live page in a browser", () => {
  it("shows the engines, decisions as they come, a reload that was refused, and that the picker is gone", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "pointsman-ui-"));
    let engines: Simulator | undefined;
    let gateway: Child | undefined;
    try {
      engines = await startEngines({ engines: 2, settings: fastEngine });
      const urls = engines.engines.map(({ address, port }) => `http://${address}:${port}`);
      const configFile = path.join(folder, "config.yaml");
      const configure = async (text: string) => {
        await writeFile(`${configFile}.new`, text);
        await rename(`${configFile}.new`, configFile);
      };
      await configure("{apiVersion: pointsman.dev/v1alpha1, kind: EndpointPickerConfig}\n");
      gateway = startPointsman([
        ...["gateway", "--listen", "127.0.0.1:0", "--metrics-port", "0"],
        ...["--endpoints", urls.join(","), "--config-file", configFile],
      ]);
      // The line is the gateway's own.
      const ports = JSON.parse(await gateway.line(/"msg":"listening"/)) as Record<string, number>;
      page = await openPage(`http://127.0.0.1:${ports["metrics"]}`);
      await eventually("both engines are shown", async () =>
        (await rowTexts()).filter((text) => /ready.*vllm/su.test(text)).length === 2
          ? true
          : undefined,
      );

      await page.getByRole("link", { name: "Decisions" }).click();
      await page.getByText("No decisions yet.").waitFor();
      const answer = await fetch(`http://127.0.0.1:${ports["http"]}/v1/chat/completions`, {
        method: "POST",
        headers: { "x-request-id": "<b>mine</b>" },
        body: JSON.stringify({
          model: "sim-model",
          max_tokens: 2,
          messages: [{ role: "user", content: "a secret" }],
        }),
      });
      await answer.text();
      await page.getByRole("link", { name: "1", exact: true }).click();
      await page.getByRole("heading", { name: /^Decision 1: sent to / }).waitFor();
      await page.getByText("<b>mine</b>").first().waitFor();
      await page.locator("pre", { hasText: "other policies would have picked" }).waitFor();
      expect(await page.locator("main b").count()).toBe(0);
      expect(await page.content()).not.toContain("a secret");

      await configure("kind: Nothing\n");
      await page.getByRole("link", { name: "Configuration" }).click();
      await page.locator("table").getByText("refused").waitFor();
      await picture("refused-document");
      await page.locator("pre", { hasText: "kind: EndpointPickerConfig" }).waitFor();

      gateway.signal("SIGKILL");
      const lost = page.getByText(
        /Connection lost: the picker cannot be reached\. This is its state of [\d.]+ s ago/u,
      );
      await lost.waitFor();
      const first = await lost.innerText();
      await eventually("the age is drawn again", async () =>
        (await lost.innerText()) === first ? undefined : true,
      );
      await page.getByRole("link", { name: "Pool" }).click();
      expect(await rowTexts()).toHaveLength(2);
      await picture("picker-gone");
      expect(faults).toEqual([]);
    } finally {
      await gateway?.close();
      await engines?.close();
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("says so where there are no endpoints", async () => {
    const { origin } = await served(() => ({
      count: 0,
      pool: { notReady: ["the pool is not known"] },
    }));
    page = await openPage(origin);
    await page.getByText("The pool has no endpoints.").waitFor();
    await page.getByText("Not ready: the pool is not known").waitFor();
    await picture("empty");
    expect(faults).toEqual([]);
  });

  it("puts an endpoint that is down first, with the reason", async () => {
    const { origin } = await served(() => troubled);
    page = await openPage(origin);
    await page.getByText("Ejected: default/engine-1").waitFor();
    expect((await rowTexts())[0]).toMatch(
      /engine-1[^]*ejected \(slow\)[^]*first token after 1.9 s, usually 210 ms/u,
    );
    // An ejected endpoint is one of the pool's, and takes requests only to try it.
    const taking = page.locator("dl.tiles > *", { hasText: "Endpoints taking requests" });
    expect(await taking.innerText()).toMatch(/2\s+of 3/u);
    await page.getByText("default/twin").waitFor();
    await picture("engine-down");
    await page
      .getByRole("link", { name: /12 requests in the queue, the oldest for 4\.2 s/u })
      .click();
    await page.getByRole("rowheader", { name: "tenant-a" }).waitFor();
    await picture("queue-building");
    await page.getByRole("link", { name: "Decisions" }).click();
    await page.getByRole("cell", { name: "request-50" }).waitFor();
    await picture("decisions");
    expect(faults).toEqual([]);
  });

  it("explains a decision, found by the ID of its request", async () => {
    const { origin } = await served(() => ({}));
    page = await openPage(origin, "#/decisions");
    await page.getByLabel("Find a request by its ID").fill("request-7");
    await page.keyboard.press("Enter");
    await page.getByText("engine-0: 1.9 s of prefill ahead of it").waitFor();
    await page.getByText("with a total of 1.75, 0.25 above default/engine-0.").waitFor();
    await page.getByText("by-label").waitFor();
    // No document has to look for prefixes.
    expect(await page.locator("body").innerText()).not.toMatch(/– of –|– tokens/u);
    await picture("explanation");
    await page.goto(`${origin}/ui#/request/request-9`);
    await page.getByText("refused: the queue is full").waitFor();
    await page.goto(`${origin}/ui#/decision/8`);
    await page.getByText("There is no such decision").waitFor();
    expect(faults).toEqual([]);
  });

  it("shows where hits are lost, as it is at each question", async () => {
    let hits: ReportParts = { requests: 0 };
    const { origin } = await served(() => ({}), { hits: () => hits });
    page = await openPage(origin);
    await page.getByRole("link", { name: "Hits" }).click();
    await page.getByText("No request with a prompt has come in the last hour.").waitFor();
    await picture("hits-empty");
    hits = leaking;
    await page.getByRole("table", { name: "Hit-rate ladder" }).waitFor();
    const rung = (name: string) => page.getByRole("row", { name: new RegExp(`^${name} `, "u") });
    expect(await rung("Capacity").innerText()).toMatch(/one cache of the size of all[^]*58 %/u);
    await page.getByText(/of tenant "reports" repeat 94 % of their text/u).waitFor();
    await page.getByText(/default\/engine-2 0 % of the 80 %/u).waitFor();
    await page.getByRole("rowheader", { name: "All others" }).waitFor();
    await picture("hits");
    hits = {};
    await page.getByText(/10 % of prompt tokens begin with nothing/u).waitFor();
    expect(await page.locator(".finding.warn").count()).toBe(0);
    expect(faults).toEqual([]);
  });

  it("never takes text from engines and requests for HTML", async () => {
    const evil = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
    const { origin } = await served(
      () => ({
        pool: { name: evil, notReady: [evil], engineOf: () => evil },
        decisions: {
          count: 3,
          lines: someLines(3, { requestId: evil, model: evil, picked: evil }),
        },
        config: { warnings: [evil], history: [] },
      }),
      {
        hits: () => ({ groups: [1, 2].map(() => aHitGroup({ model: evil, tenant: evil })) }),
      },
    );
    page = await openPage(origin);
    await page.getByRole("cell", { name: evil }).first().waitFor();
    for (const view of ["decisions", "queues", "hits", "config", "shadow"]) {
      await page.goto(`${origin}/ui#/${view}`);
      await page.getByRole("heading", { level: 1 }).waitFor();
    }
    await page.goto(`${origin}/ui#/request/${encodeURIComponent(evil)}`);
    await page.getByText("There is no such decision").waitFor();
    expect(await page.locator("main img, main script").count()).toBe(0);
    expect(await page.title()).not.toBe("owned");
    expect(faults).toEqual([]);
  });

  it("draws 50 rows at a time of 1,000 endpoints, whatever updates come", async () => {
    let update = 0;
    const { origin } = await served(() => {
      update += 1;
      const rowOf = (slot: number) => ({ ...quietRow(slot), waitingRequests: (slot * update) % 7 });
      return { count: 1_000, rowOf, health: { 900: { phase: "ejected", reason: "refused" } } };
    });
    page = await openPage(origin);
    await page.getByText("1 to 50 of 1,000").waitFor();
    expect((await rowTexts())[0]).toContain("engine-900");
    await picture("1000-endpoints");
    await page.getByRole("button", { name: "Waiting" }).click();
    // Each press of a button asks and draws at once: no need to wait for the next question.
    for (let round = 0; round < 10; round += 1) {
      const before = update;
      await page.getByRole("button", { name: "Pause" }).click();
      await page.getByRole("button", { name: "Pause" }).click();
      await eventually("an update", () => Promise.resolve(update > before ? true : undefined));
    }
    expect(await page.locator("main tbody tr").count()).toBeLessThanOrEqual(51);
    // The page's own marks, which a browser's profiler shows.
    const draws = await page.evaluate(`performance.getEntriesByName("draw", "measure").length`);
    expect(draws).toBeGreaterThan(20);

    await page.getByRole("button", { name: "Next" }).click();
    await page.getByText("51 to 100 of 1,000").waitFor();
    await page.getByLabel("Find an endpoint").fill("engine-77");
    await page.getByText("11 shown").waitFor();
    await page.getByLabel("Only those that need attention").check();
    await page.getByText("No endpoint matches.").waitFor();
    expect(faults).toEqual([]);
  });

  it("asks nothing while it is hidden or paused, and asks at once after that", async () => {
    const { origin, asked } = await served(() => ({}));
    page = await openPage(origin);
    const count = () => Promise.resolve(asked.length);
    await eventually("the second question", async () => ((await count()) > 1 ? true : undefined));
    const hide = (isHidden: boolean) =>
      page.evaluate(
        `Object.defineProperty(document, "hidden", { configurable: true, value: ${isHidden} });
         document.dispatchEvent(new Event("visibilitychange"))`,
      );
    await hide(true);
    const before = asked.length;
    // Longer than the interval of questions.
    await page.waitForTimeout(3_000);
    expect(asked.length).toBe(before);
    await hide(false);
    await eventually("a question", async () => ((await count()) > before ? true : undefined));
    await page.getByRole("button", { name: "Pause" }).click();
    const paused = asked.length;
    await page.waitForTimeout(3_000);
    expect(asked.length).toBe(paused);
    expect(faults).toEqual([]);
  });

  it("is used by keyboard alone, and the focus stays where it is when data come", async () => {
    let first = 50;
    const { origin, asked } = await served(() => ({
      ...troubled,
      decisions: { count: first, lines: someLines(first).slice(0, 50) },
    }));
    page = await openPage(origin);
    await page.getByRole("table", { name: "Endpoints" }).waitFor();
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.textContent")).toBe("Skip to the content");
    await page.keyboard.press("Enter");
    expect(await page.evaluate("document.activeElement.tagName")).toBe("MAIN");
    await page.getByRole("button", { name: "Running" }).focus();
    await page.keyboard.press("Enter");
    await page.locator('th[aria-sort="descending"]', { hasText: "Running" }).waitFor();
    await page.keyboard.press("Enter");
    await page.locator('th[aria-sort="ascending"]', { hasText: "Running" }).waitFor();

    await page.getByRole("link", { name: "Decisions" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: "50", exact: true }).focus();
    first = 53;
    const before = asked.length;
    await eventually("newer decisions", () =>
      Promise.resolve(asked.length > before ? true : undefined),
    );
    await page.getByRole("link", { name: "53", exact: true }).waitFor();
    expect(await page.evaluate("document.activeElement.textContent")).toBe("50");
    expect(faults).toEqual([]);
  });

  it.each(["light", "dark"] as const)(
    "has no fault of accessibility that axe finds, in %s",
    async (colorScheme) => {
      const { origin } = await served(() => troubled, { hits: () => leaking });
      page = await openPage(origin, "", { colorScheme });
      for (const view of [...viewsWithTables, "decision/8"]) {
        await page.goto(`${origin}/ui#/${view}`);
        await page.locator('main[aria-busy="false"]').waitFor();
        await page.locator("main table, main .empty").first().waitFor();
        expect(await breaches()).toEqual([]);
        if (colorScheme === "dark") await picture(`dark-${view.replace("/", "-")}`);
      }
    },
  );

  it("fits a narrow window", async () => {
    const { origin } = await served(() => troubled, { hits: () => leaking });
    page = await openPage(origin, "", { width: 360, height: 740 });
    for (const view of viewsWithTables) {
      await page.goto(`${origin}/ui#/${view}`);
      await page.locator("main table").first().waitFor();
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);
      await picture(`narrow-${view.replace("/", "-")}`);
    }
  });

  it("asks for a token where the port wants one, and keeps it out of the browser's stores", async () => {
    const { origin } = await served(() => ({}), { guard });
    expect((await fetch(`${origin}/ui`)).status).toBe(401);
    expect((await fetch(`${origin}/debug/live`)).status).toBe(401);
    page = await openPage(origin);
    await page.getByLabel("Token").fill("bad");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").waitFor();
    await picture("token");
    await page.getByLabel("Token").fill("good");
    await page.keyboard.press("Enter");
    await page.getByRole("table", { name: "Endpoints" }).waitFor();
    expect(
      await page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length"),
    ).toBe(0);
    expect(faults).toEqual([]);
  });
});
