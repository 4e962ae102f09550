import { do_not_optimize } from "mitata";
import { buildConfig } from "../../src/gateway/build-config.ts";
import type { AdapterState } from "../../src/core/load.ts";
import type { DecisionLog } from "../../src/data-plane/scheduling/decision-log.ts";
import type { RequestFollower } from "../../src/core/request-follower.ts";
import { defaultConfigText } from "../../src/config/default-document.ts";
import { Routing } from "../../src/data-plane/routing.ts";
import { EndpointHealth } from "../../src/state/health/endpoint-health.ts";
import { BoardSigns } from "../../src/state/health/engine-signs.ts";
import { PoolState } from "../../src/state/pool-state.ts";
import { ReportWriter } from "../../src/state/report-writer.ts";
import { PluginMemory } from "../../src/state/plugin-memory.ts";
import { snapshotOf } from "../../src/state/snapshot.ts";
import { seededRandom } from "../../src/std/random.ts";
import { brokenOff, serverOf } from "./whole-requests.ts";

/** 256 prompts in turn, each of which shares three quarters of its text with one in 64 others. */
const prompts = 256;
const nowMs = 1_000_000;

/** Adapters that an engine holds, of those that requests ask for. */
const adaptersMax = 4;

function adaptersAt(slot: number, adapters: number): AdapterState {
  const held = Array.from(
    { length: adaptersMax },
    (_, index) => `adapter-${(slot + index) % adapters}`,
  );
  return { active: new Set(held), waiting: new Set(), adaptersMax };
}

function poolOf(count: number, adapters: number) {
  const state = new PoolState();
  const { store } = state;
  const random = seededRandom(1);
  store.apply(
    Array.from({ length: count }, (_, index) => ({
      id: `default/e${index}`,
      namespace: "default",
      name: `e${index}`,
      address: `10.0.${index >> 8}.${index & 255}`,
      port: 8_000,
      labels: {},
    })),
  );
  const writer = new ReportWriter(store.board, new Map());
  for (const endpoint of store.endpoints()) {
    const { slot } = endpoint;
    writer.publish(
      { slot, generation: store.board.generations[slot] ?? 0 },
      {
        waitingRequests: Math.floor(random() * 5),
        runningRequests: Math.floor(random() * 50),
        kvCacheUsedRatio: random(),
        blockTokens: 16,
        blocksMax: 25_000,
        prefixLookupTokens: undefined,
        prefixHitTokens: undefined,
        startedAtSeconds: undefined,
        adapters: adapters === 0 ? undefined : adaptersAt(slot, adapters),
        attributes: new Map(),
      },
      { asked: writer.askedAt(slot, nowMs), intervalMs: 50 },
    );
  }
  return state;
}

function bodyOf(index: number, { bytes, adapters }: BodySize): Buffer {
  const shared = `shared context ${index % 64} with words that repeat in it. `;
  const system = shared.repeat(Math.ceil(bytes / shared.length)).slice(0, (bytes * 3) / 4);
  const user = `${index} `.repeat(bytes).slice(0, bytes / 4);
  const messages = [
    { role: "system", content: system },
    { role: "user", content: user },
  ];
  const model = adapters === 0 ? "sim-model" : `adapter-${index % adapters}`;
  return Buffer.from(JSON.stringify({ model, messages, stream: true }));
}

interface BodySize {
  readonly bytes: number;
  /** LoRA adapters that the bodies ask for in turn; 0 if they ask for the model. */
  readonly adapters: number;
}

/** Bodies of so many bytes for `deciderOf`. */
export function bodiesOf(bytes: number, adapters = 0): readonly Buffer[] {
  return Array.from({ length: prompts }, (_, index) => bodyOf(index, { bytes, adapters }));
}

/** The default configuration over `count` endpoints, its bodies as requests, and its decisions. */
export function deciderOf({
  count,
  bodies,
  log,
  document = defaultConfigText,
  adapters = 0,
}: Case) {
  const options = { memory: new PluginMemory(), random: seededRandom(2), allowsTestOnly: false };
  const result = buildConfig(document, options);
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  result.build.keepMemory();
  const routing = new Routing(result.build.dataPlane, {
    ignoresSubset: false,
    bodyBytesMax: Number.POSITIVE_INFINITY,
    log,
  });
  const state = poolOf(count, adapters);
  const signs = new BoardSigns(state.store.board, (slot) => state.view.load.adapters[slot]);
  const health = new EndpointHealth({ onEvent: () => undefined, signs });
  const pool = snapshotOf({ state, health }, nowMs);
  const heads = bodies.map((_, index) => ({
    id: `r${index}`,
    method: "POST",
    path: "/v1/chat/completions",
    headers: new Map([["content-type", "application/json"]]),
    subset: undefined,
  }));
  const read = (index: number) => {
    const [head, body] = [heads[index], bodies[index]];
    if (head === undefined || body === undefined) throw new Error("an index of a body");
    return routing.understand(head, body);
  };
  const requests = bodies.map((_, index) => {
    const answer = read(index);
    if (answer.kind === "refused") throw new Error(answer.refusal.message);
    return answer.request;
  });
  const underWay: RequestFollower[] = [];
  const follow = (follower: RequestFollower) => {
    underWay.push(follower);
    if (underWay.length > underWayMax) underWay.shift()?.ended?.(brokenOff);
  };
  let next = 0;
  return {
    serve: serverOf({ routing, requests, pool, count }),
    read: () => do_not_optimize(read(next++ % prompts)),
    decide: () => {
      const request = requests[next++ % prompts];
      if (request === undefined) return;
      const scheduled = routing.schedule({ request, snapshot: pool });
      if (scheduled.kind === "routed") routing.sent(scheduled, follow);
    },
  };
}

interface Case {
  readonly count: number;
  readonly bodies: readonly Buffer[];
  readonly log: DecisionLog;
  /** Default the document in force without one. */
  readonly document?: string;
  /** LoRA adapters that the bodies name. */
  readonly adapters?: number;
}

/** Followers of requests that have not ended. */
const underWayMax = 256;
