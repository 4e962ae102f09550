import type { Endpoint } from "../../core/endpoint.ts";
import type { BodyFields } from "../../core/parse-result.ts";
import type { InferenceRequest } from "../../core/request.ts";
import { FlowControl } from "../../data-plane/admission/flow/flow-control.ts";
import type {
  FlowDeps,
  FlowObserver,
  FlowRules,
} from "../../data-plane/admission/flow/flow-parts.ts";
import type { Pipeline } from "../../data-plane/pipeline.ts";
import { Routing, type RoutingParts } from "../../data-plane/routing.ts";
import { DecisionLog } from "../../data-plane/scheduling/decision-log.ts";
import { buildConfig } from "../../gateway/build-config.ts";
import { createDataPlane } from "../../gateway/data-plane.ts";
import { createPool, type Pool } from "../../gateway/pool.ts";
import { defaultHealth } from "../../state/health/phases.ts";
import { PluginMemory } from "../../state/plugin-memory.ts";
import type { Clock } from "../../std/clock.ts";
import { seededRandom } from "../../std/random.ts";
import { createLogger } from "../../telemetry/logger.ts";
import { MetricsRegistry } from "../../telemetry/metrics-registry.ts";
import type { EventQueue } from "./event-queue.ts";
import { specOf } from "./virtual-endpoint.ts";

/** Health that ejects nothing. */
const noHealth = {
  ...defaultHealth,
  failuresInRowMax: 0,
  failureRatioMax: 0,
  ttftFactorMax: 0,
  stallMs: 0,
  shortAnswersInRowMax: 0,
};

/** Wall time of the run's start: any will do, as long as it is the same for every run. */
const startWallMs = 1_700_000_000_000;

export interface PickerOptions {
  readonly document: string;
  readonly endpoints: number;
  readonly hasHealth: boolean;
  readonly seed: number;
  /** Changes what the document was built to, for policies that are not in the product. */
  readonly adapt: (parts: RoutingParts) => RoutingParts;
}

/** The picker as `serve` assembles it, without a network: the caller hands it requests already read. */
export interface Picker {
  readonly pool: Pool;
  readonly dataPlane: Pipeline;
  readonly endpoints: readonly Endpoint[];
  /** The request that the next decision is about. */
  next: Omit<InferenceRequest, "head"> | undefined;
  /** Fields that the last decision adds to the body of its request. */
  fields: BodyFields | undefined;
  /** Brings state up to date, as the picker does without requests. */
  tick(): void;
}

/** Follows no request of the queue; a bug of a policy ends the run. */
const noObserver: FlowObserver = {
  evictionIssued: () => undefined,
  evictionEnded: () => undefined,
  passed: () => undefined,
  entered: () => undefined,
  left: () => undefined,
  checked: () => undefined,
  failed: (cause) => {
    throw cause;
  },
};

type Asked = Pick<Picker, "next" | "fields">;

const noBody = Buffer.alloc(0);

export function createPicker(queue: EventQueue, options: PickerOptions): Picker {
  const { endpoints: count, seed, hasHealth } = options;
  const clock = virtualClock(queue);
  const memory = new PluginMemory();
  const { logger } = createLogger("warn", { write: () => undefined });
  const pool = createPool({ clock, log: logger, registry: new MetricsRegistry(), memory });
  pool.store.apply(Array.from({ length: count }, (_, index) => specOf(index)));
  const random = seededRandom(seed);
  const result = buildConfig(options.document, { memory, random, allowsTestOnly: false });
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  const { build } = result;
  build.keepMemory();
  const { trust, health, signalNeeds } = build.controlPlane;
  pool.readings.needs = signalNeeds;
  pool.view.trust = trust;
  pool.health.settings = hasHealth ? health : noHealth;
  const picker: Asked = { next: undefined, fields: undefined };
  const parts = options.adapt({ ...build.dataPlane, reader: readerOf(picker) });
  const log = new DecisionLog();
  const flow = flowOf(parts.flow, { clock, snapshot: pool.snapshot, observer: noObserver });
  const routing = new Routing(parts, {
    ignoresSubset: true,
    bodyBytesMax: 0,
    log,
    flow: () => flow,
  });
  const dataPlane = createDataPlane({
    clock,
    pool,
    routing: () => routing,
    followers: [
      {
        failed: (_head, cause) => {
          throw cause;
        },
      },
      { firstToken: () => flow?.wake(), ended: () => flow?.wake() },
    ],
  });
  return Object.assign(picker, {
    pool,
    dataPlane,
    endpoints: pool.store.endpoints(),
    tick: () => void pool.snapshot(queue.nowMs),
  });
}

function flowOf(rules: FlowRules | undefined, deps: FlowDeps): FlowControl | undefined {
  return rules === undefined ? undefined : new FlowControl(rules, deps);
}

/** Reads no body: the request is there already. */
function readerOf(picker: Asked): RoutingParts["reader"] {
  return {
    bodyUse: () => "required",
    parse: (head) => {
      if (picker.next === undefined) throw new Error("a decision without a request");
      const request = { ...picker.next, head };
      picker.fields = undefined;
      const withFields = (fields: BodyFields) => {
        picker.fields = fields;
        return { body: noBody, removedHeaders: [] };
      };
      return { kind: "parsed", request, withModel: undefined, withFields, unread: undefined };
    },
  };
}

function virtualClock(queue: EventQueue): Clock {
  const after: Clock["after"] = (delayMs, task) => {
    let isCancelled = false;
    queue.add(queue.nowMs + delayMs, () => {
      if (!isCancelled) task();
    });
    return () => {
      isCancelled = true;
    };
  };
  return {
    nowMs: () => queue.nowMs,
    wallMs: () => startWallMs + queue.nowMs,
    after,
    sleep: (delayMs) => new Promise((resolve) => void after(delayMs, resolve)),
  };
}

/** Unix seconds of a moment of the run. */
export function wallSecondsAt(nowMs: number): number {
  return (startWallMs + nowMs) / 1_000;
}
