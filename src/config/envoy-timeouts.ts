import type { FlowControlPlan } from "../core/flow-control.ts";
import { dumpedObjects, isConfigDump, pickersOf } from "./envoy-dump.ts";
import { parseDurationMs } from "../std/quantities.ts";
import { parseYamlStream } from "./yaml-text.ts";

/** Envoy's defaults, in milliseconds. */
const defaults = { messageMs: 200, idleMs: 300_000 };

/** Time of a wait beyond the longest budget, if the pool is empty in between. */
const graceMs = 2_000;

/** Values nested deeper than this are not looked at. */
const depthMax = 64;

interface WaitingPicker {
  readonly plan: FlowControlPlan | undefined;
  /** `--max-message-timeout` of the picker, in milliseconds; 0 if it has none. */
  readonly waitTimeoutMs: number;
}

export type EnvoyCheck =
  | { readonly kind: "checked"; readonly mistakes: readonly string[] }
  /** The text cannot be read, or has no filter or route to check. */
  | { readonly kind: "unreadable"; readonly reasons: readonly string[] };

/**
 * Finds timeouts that end a request while it waits in the queue. `text` is Envoy's: a bootstrap, a part of one, or a dump; or it
 * has resources of a Kubernetes cluster: EnvoyFilter of Istio, EnvoyExtensionPolicy of Envoy Gateway. The timeout of a route is
 * not among them: it begins after the wait.
 */
export function checkEnvoyTimeouts(text: string, picker: WaitingPicker): EnvoyCheck {
  const parsed = parseYamlStream(text);
  if (parsed.kind === "invalid") return { kind: "unreadable", reasons: parsed.mistakes };
  const found = new Timeouts();
  const { documents } = parsed;
  if (documents.length === 1 && isConfigDump(documents[0])) found.visitDump(documents[0]);
  else
    found.visit(documents.length === 1 ? documents[0] : documents, {
      path: "",
      depth: 0,
      idleMs: defaults.idleMs,
    });
  if (found.isEmpty) {
    return { kind: "unreadable", reasons: ["there is no external processor and no route in it"] };
  }
  const longestMs = longestWaitMs(picker.plan);
  return {
    kind: "checked",
    mistakes: [
      ...found.processors.flatMap((each) => processorMistakes(each, picker, longestMs)),
      ...found.others.flatMap(({ path, ms, byDefault }) =>
        ms === 0 || ms > longestMs
          ? []
          : [
              `${path}: ${textOf(ms)}${byDefault ? ", Envoy's default," : ""} ${endsWaits(longestMs)}`,
            ],
      ),
    ],
  };
}

/** The longest time that a request may wait; 0 if none waits. */
function longestWaitMs(plan: FlowControlPlan | undefined): number {
  if (plan === undefined) return 0;
  const bands = [...plan.bands, plan.otherBands, plan.otherNegativeBands];
  return Math.max(plan.noEndpointTtlMs, ...bands.map(({ ttlMs }) => ttlMs)) + graceMs;
}

function processorMistakes(
  { path, messageMs, maxMs, isFullDuplex }: Processor,
  { waitTimeoutMs }: WaitingPicker,
  longestMs: number,
): readonly string[] {
  const mistakes: string[] = [];
  const isIgnored = waitTimeoutMs > maxMs;
  if (waitTimeoutMs > 0 && isIgnored) {
    const allowed = maxMs === 0 ? "none is allowed" : `${textOf(maxMs)} is allowed`;
    mistakes.push(
      `${path}.max_message_timeout: ${allowed}, so Envoy ignores the ${textOf(waitTimeoutMs)} of --max-message-timeout`,
    );
  }
  // It does not run once a body has been sent in full duplex.
  if (isFullDuplex) return mistakes;
  const ms = isIgnored || waitTimeoutMs === 0 ? messageMs : waitTimeoutMs;
  const name = ms === messageMs ? "message_timeout" : "max_message_timeout";
  if (ms <= longestMs) mistakes.push(`${path}.${name}: ${textOf(ms)} ${endsWaits(longestMs)}`);
  return mistakes;
}

function endsWaits(longestMs: number): string {
  const longest = Number.isFinite(longestMs) ? `take ${textOf(longestMs)}` : "have no bound";
  return `ends requests that wait: waits may ${longest} (flowControl)`;
}

function textOf(ms: number): string {
  return ms < 1_000 ? `${ms} ms` : `${ms / 1_000} s`;
}

interface Processor {
  readonly path: string;
  readonly messageMs: number;
  /** 0 if the picker may not ask for more time. */
  readonly maxMs: number;
  readonly isFullDuplex: boolean;
}

interface Timeout {
  readonly path: string;
  /** 0 for none. */
  readonly ms: number;
  readonly byDefault: boolean;
}

/** A place in the tree. */
interface Place {
  readonly path: string;
  readonly depth: number;
  /** The time after which idle streams end, by the connection manager around it. */
  readonly idleMs: number;
}

type Members = Readonly<Record<string, unknown>>;

/** The timeouts in a tree of values, each with its path. */
class Timeouts {
  readonly processors: Processor[] = [];
  /** Timeouts of idle streams. */
  readonly others: Timeout[] = [];

  get isEmpty(): boolean {
    return this.processors.length === 0 && this.others.length === 0;
  }

  visit(value: unknown, { path, depth, idleMs }: Place): void {
    if (depth > depthMax || typeof value !== "object" || value === null) return;
    if (Array.isArray(value)) {
      for (const [index, each] of value.entries()) {
        this.visit(each, { path: `${path}[${index}]`, depth: depth + 1, idleMs });
      }
      return;
    }
    const members = value as Members;
    this.#processor(members, path);
    this.#extensionPolicy(members, path);
    const ownIdleMs = idleOf(members) ?? idleMs;
    for (const [key, member] of Object.entries(members)) {
      const memberPath = path === "" ? key : `${path}.${key}`;
      if (key === "routes" && Array.isArray(member)) this.#routes(member, memberPath, ownIdleMs);
      this.visit(member, { path: memberPath, depth: depth + 1, idleMs: ownIdleMs });
    }
  }

  /** Of a dump, only what is on the way of requests that a picker decides about. */
  visitDump(page: unknown): void {
    const { pickers, routes } = pickersOf(dumpedObjects(page));
    for (const { path, filter } of pickers) this.#processor(filter, path);
    for (const { path, action, manager } of routes) {
      this.#route(action, path, idleOf(manager) ?? defaults.idleMs);
    }
  }

  #processor(members: Members, path: string): void {
    if (!isOfType(members, "ExternalProcessor")) return;
    const modes = asMembers(memberOf(members, "processing_mode"));
    this.processors.push({
      path,
      messageMs: msOf(memberOf(members, "message_timeout")) ?? defaults.messageMs,
      maxMs: msOf(memberOf(members, "max_message_timeout")) ?? 0,
      isFullDuplex: memberOf(modes, "request_body_mode") === "FULL_DUPLEX_STREAMED",
    });
  }

  /** Routes of Envoy whose action is to forward. */
  #routes(routes: readonly unknown[], path: string, idleMs: number): void {
    for (const [index, each] of routes.entries()) {
      const { route } = asMembers(each);
      if (typeof route !== "object" || route === null || !hasCluster(asMembers(route))) continue;
      this.#route(asMembers(route), `${path}[${index}]`, idleMs);
    }
  }

  #route(action: Members, path: string, idleMs: number): void {
    const idle = memberOf(action, "idle_timeout");
    this.others.push({
      path: `${path}.route.idle_timeout`,
      ms: msOf(idle) ?? idleMs,
      byDefault: idle === undefined && idleMs === defaults.idleMs,
    });
  }

  #extensionPolicy({ kind, spec }: Members, path: string): void {
    if (kind !== "EnvoyExtensionPolicy") return;
    const { extProc } = asMembers(spec);
    for (const [index, each] of (Array.isArray(extProc) ? extProc : []).entries()) {
      const { processingMode, messageTimeout } = asMembers(each);
      const { body } = asMembers(asMembers(processingMode)["request"]);
      this.processors.push({
        path: `${path === "" ? "" : `${path}.`}spec.extProc[${index}]`,
        messageMs: msOf(messageTimeout) ?? defaults.messageMs,
        maxMs: 0,
        isFullDuplex: body === "FullDuplexStreamed",
      });
    }
  }
}

/** The time after which an idle stream ends, of a connection manager that sets it. */
function idleOf(members: Members): number | undefined {
  return isOfType(members, "HttpConnectionManager")
    ? msOf(memberOf(members, "stream_idle_timeout"))
    : undefined;
}

function isOfType(members: Members, name: string): boolean {
  const type = members["@type"];
  return typeof type === "string" && type.endsWith(`.${name}`);
}

function hasCluster(action: Members): boolean {
  return ["cluster", "cluster_header", "weighted_clusters"].some(
    (name) => memberOf(action, name) !== undefined,
  );
}

/** A member by its name in YAML, or in JSON's camel case. */
function memberOf(members: Members, name: string): unknown {
  const camel = name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  return members[name] ?? members[camel];
}

function asMembers(value: unknown): Members {
  const isObject = typeof value === "object" && value !== null;
  return isObject ? (value as Members) : {};
}

function msOf(value: unknown): number | undefined {
  return typeof value === "string" ? parseDurationMs(value) : undefined;
}
