import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { anObject, FakeKubeApi } from "#test/support/fake-kube-api.ts";
import { seededRandom } from "../../std/random.ts";
import { KubeError, type KubeObject } from "./kube-api.ts";
import { Reflector } from "./reflector.ts";

let api: FakeKubeApi;
let clock: FakeClock;
let changes: number;
let lines: string[];
let stop: AbortController;
let reflector: Reflector<unknown>;
let running: Promise<void>;

beforeEach(() => {
  api = new FakeKubeApi();
  clock = new FakeClock();
  changes = 0;
  lines = [];
  stop = new AbortController();
});

afterEach(async () => {
  stop.abort();
  await running;
  if (clock.pendingTimers > 0) throw new Error("a timer was left behind");
});

function say(_: object, message: string): void {
  lines.push(message);
}

async function start(
  keep = (object: KubeObject): unknown => object["value"],
  path = "/api/v1/namespaces/n/things",
): Promise<void> {
  reflector = new Reflector(
    {
      what: "things",
      path,
      labelSelector: "app=a",
      keep,
      onChange: () => {
        changes += 1;
      },
    },
    { api, clock, random: seededRandom(1), log: { info: say, warn: say } },
  );
  running = reflector.run(stop.signal);
  await clock.advance(0);
}

const kept = () => Object.fromEntries(reflector.items);

describe("a reflector", () => {
  it("lists, then watches from the version of the list", async () => {
    api.items = [anObject("a", "7")];
    api.resourceVersion = "12";
    await start();
    expect(kept()).toEqual({ "n/a": "a" });
    expect(reflector.state).toBe("synced");
    expect(api.lastWatch.query).toMatchObject({
      resourceVersion: "12",
      allowWatchBookmarks: "true",
      labelSelector: "app=a",
    });
  });

  it("reads a long list page by page and shows it as a whole", async () => {
    api.items = Array.from({ length: 7 }, (_, index) => anObject(`o${index}`, "1"));
    api.pageObjects = 3;
    await start();
    expect(reflector.items.size).toBe(7);
    expect(api.lists.map((query) => query["continue"])).toEqual([undefined, "3", "6"]);
    expect(changes).toBe(1);
  });

  it("follows what is added, changed and deleted", async () => {
    await start();
    api.lastWatch.push("ADDED", anObject("a", "2"));
    api.lastWatch.push("ADDED", anObject("b", "3"));
    api.lastWatch.push("MODIFIED", anObject("a", "4", "changed"));
    api.lastWatch.push("DELETED", anObject("b", "5"));
    await clock.advance(0);
    expect(kept()).toEqual({ "n/a": "changed" });
    expect(reflector.status.counts).toEqual({ lists: 1, events: 4, failures: 0 });
  });

  it.each([
    ["/api/v1/namespaces/n/pods", "pods"],
    ["/apis/llm-d.ai/v1alpha2/namespaces/n/inferenceobjectives", "inferenceobjectives.llm-d.ai"],
    ["/apis/discovery.k8s.io/v1/endpointslices", "endpointslices.discovery.k8s.io"],
  ])("calls the kind at %s %s", async (path, resource) => {
    await start(undefined, path);
    expect(reflector.status.resource).toBe(resource);
  });

  it("does not report a change to fields that it does not keep", async () => {
    api.items = [anObject("a", "1")];
    await start();
    const before = changes;
    api.lastWatch.push("MODIFIED", { ...anObject("a", "2"), heartbeat: 7 });
    await clock.advance(0);
    expect(changes).toBe(before);
  });

  it("drops an object that it no longer keeps", async () => {
    api.items = [anObject("a", "1")];
    await start((object) => (object["value"] === "gone" ? undefined : object["value"]));
    api.lastWatch.push("MODIFIED", anObject("a", "2", "gone"));
    await clock.advance(0);
    expect(kept()).toEqual({});
  });

  it("continues from the last bookmark when the server ends a watch", async () => {
    await start();
    api.lastWatch.push("BOOKMARK", { metadata: { resourceVersion: "90" } });
    api.lastWatch.end();
    await clock.advance(1_000);
    expect(api.watches).toHaveLength(2);
    expect(api.lastWatch.query["resourceVersion"]).toBe("90");
    expect(api.lists).toHaveLength(1);
  });

  it("skips an event of an unknown type", async () => {
    await start();
    api.lastWatch.push("RENAMED", anObject("a", "8"));
    await clock.advance(0);
    expect(kept()).toEqual({});
    expect(reflector.state).toBe("synced");
  });

  it.each([
    ["an event", () => api.lastWatch.push("ERROR", { code: 410, reason: "Expired" })],
    [
      "the next watch",
      () => {
        api.watchError = new KubeError(410, "Expired", "too old");
        api.lastWatch.end();
      },
    ],
  ])("lists again if %s says that its version is too old", async (_, expire) => {
    api.items = [anObject("a", "1"), anObject("b", "1")];
    await start();
    api.items = [anObject("b", "2"), anObject("c", "3")];
    expire();
    await clock.advance(50);
    // Known objects stay until the new list is complete.
    expect(kept()).toEqual({ "n/a": "a", "n/b": "b" });
    await clock.advance(200);
    api.watchError = undefined;
    await clock.advance(1_000);
    expect(kept()).toEqual({ "n/b": "b", "n/c": "c" });
  });

  it("keeps its objects while the API server is unreachable, and reports that once", async () => {
    api.items = [anObject("a", "1")];
    await start();
    api.watchError = new KubeError(0, "", "connect ECONNREFUSED");
    api.lastWatch.fail(new KubeError(0, "", "other side closed"));
    await clock.advance(60_000);
    expect(kept()).toEqual({ "n/a": "a" });
    expect(reflector.status.failure).toBe("connect ECONNREFUSED");
    expect(reflector.status.counts.failures).toBeGreaterThan(10);
    expect(reflector.status.counts.lists).toBe(1);
    expect(lines).toEqual(["watch lost"]);

    api.watchError = undefined;
    await clock.advance(6_000);
    expect(reflector.status.failure).toBeUndefined();
    expect(lines).toHaveLength(2);
    expect(api.lastWatch.query["resourceVersion"]).toBe("1");
  });

  it("retries at growing intervals, of at most five seconds", async () => {
    api.items = new KubeError(503, "", "starting");
    await start();
    await clock.advance(10_000);
    const early = api.lists.length;
    expect(early).toBeGreaterThan(5);
    await clock.advance(60_000);
    expect(api.lists.length - early).toBeGreaterThanOrEqual(12);
    expect(api.lists.length - early).toBeLessThanOrEqual(25);
  });

  it("does not retry in a tight loop if a server ends every watch at once", async () => {
    await start();
    for (let round = 0; round < 50; round += 1) {
      api.lastWatch.end();
      // One watch follows from the end of the one before.
      await clock.advance(100);
    }
    expect(api.watches.length).toBeLessThan(15);
  });

  it("detects that a kind is not installed, and when it is", async () => {
    api.items = new KubeError(404, "NotFound", "the server could not find the requested resource");
    await start();
    expect(reflector.state).toBe("absent");
    await clock.advance(20_000);
    expect(lines).toEqual(["resource kind not installed"]);
    api.items = [anObject("a", "1")];
    await clock.advance(5_000);
    expect(kept()).toEqual({ "n/a": "a" });
  });

  it("does not believe at once that a known kind is gone: API servers start like that", async () => {
    api.items = [anObject("a", "1")];
    await start();
    api.items = new KubeError(404, "NotFound", "not found");
    api.watchError = api.items;
    api.lastWatch.end();
    await clock.advance(15_000);
    expect(kept()).toEqual({ "n/a": "a" });
    await clock.advance(15_000);
    expect(kept()).toEqual({});
    expect(reflector.state).toBe("absent");
  });

  it("does not believe it after an outage either", async () => {
    api.items = [anObject("a", "1")];
    await start();
    const refused = new KubeError(0, "", "connect ECONNREFUSED");
    api.watchError = refused;
    api.lastWatch.fail(refused);
    await clock.advance(60_000);
    api.items = new KubeError(404, "NotFound", "not found");
    api.watchError = api.items;
    await clock.advance(15_000);
    expect(kept()).toEqual({ "n/a": "a" });
    await clock.advance(15_000);
    expect(reflector.state).toBe("absent");
  });

  it.each([401, 403])(
    "tries again soon after %i from an API server that starts",
    async (status) => {
      api.items = [anObject("a", "1")];
      await start();
      api.watchError = new KubeError(status, "Forbidden", "role not found");
      api.lastWatch.end();
      await clock.advance(20_000);
      expect(reflector.status.counts.failures).toBeGreaterThan(5);
      api.watchError = undefined;
      await clock.advance(5_000);
      expect(reflector.status.failure).toBeUndefined();
    },
  );

  it("asks seldom if it may not read for long", async () => {
    api.items = new KubeError(403, "Forbidden", "pods is forbidden");
    await start();
    await clock.advance(30_000);
    const early = api.lists.length;
    await clock.advance(150_000);
    expect(api.lists.length - early).toBeLessThanOrEqual(20);
  });

  it("retries if it may not read, and reports the reason once", async () => {
    api.items = new KubeError(403, "Forbidden", "pods is forbidden");
    await start();
    expect(reflector.state).toBe("forbidden");
    await clock.advance(60_000);
    expect(lines).toEqual(["watch not started"]);
    expect(reflector.status.failure).toBe("pods is forbidden");
    api.items = [anObject("a", "1")];
    await clock.advance(15_000);
    expect(reflector.state).toBe("synced");
  });

  it("keeps its objects if it may not read any more", async () => {
    api.items = [anObject("a", "1")];
    await start();
    api.watchError = new KubeError(403, "Forbidden", "no");
    api.lastWatch.end();
    await clock.advance(60_000);
    expect(kept()).toEqual({ "n/a": "a" });
    expect(reflector.state).toBe("synced");
  });
});
