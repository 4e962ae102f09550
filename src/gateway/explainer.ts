import type { AdminPages, AdminPosts } from "../admin/admin-server.ts";
import { textPage } from "../admin/admin-server.ts";
import { explainPage, type ExplainSource, triedPage } from "../admin/explain-page.ts";
import type { Baseline } from "../admin/explanation.ts";
import { missingModelIn } from "../admin/models-now.ts";
import type { DecisionRecord } from "../core/decision-record.ts";
import type { PoolSnapshot } from "../core/pool-snapshot.ts";
import type { Routing } from "../data-plane/routing.ts";
import { decideAgain, type GraphToAsk } from "../data-plane/scheduling/decide-again.ts";
import type { DecisionInputs } from "../data-plane/scheduling/decision-inputs.ts";
import { DecisionLog } from "../data-plane/scheduling/decision-log.ts";
import { PluginMemory } from "../state/plugin-memory.ts";
import type { Clock } from "../std/clock.ts";
import { type RepeatableRandom, seededRandom } from "../std/random.ts";
import { hashText } from "../std/text-hash.ts";
import { buildConfig } from "./build-config.ts";

/** The scorers and weights of llm-d-router's default document. */
const peerDocument = `apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: queue-scorer
- type: kv-cache-utilization-scorer
- type: prefix-cache-scorer
schedulingProfiles:
- name: default
  plugins:
  - pluginRef: queue-scorer
    weight: 2
  - pluginRef: kv-cache-utilization-scorer
    weight: 2
  - pluginRef: prefix-cache-scorer
    weight: 3
`;

/** Totals that differ by less are ties. */
const tie = 1e-9;
/** Numbers for each candidate in the record of a decision that is only tried. */
const triedNumbers = 500;

interface ExplainerDeps {
  readonly decisions: DecisionLog;
  readonly routing: () => Routing;
  readonly snapshot: (nowMs: number) => PoolSnapshot;
  readonly clock: Pick<Clock, "nowMs" | "wallMs">;
  /** The source of the plugins' random numbers; undefined if it cannot be set back. */
  readonly chance: RepeatableRandom | undefined;
}

/** Explains decisions that were made, and those that would be made now. */
export class Explainer {
  readonly #deps: ExplainerDeps;
  #peer: GraphToAsk | undefined;

  constructor(deps: ExplainerDeps) {
    this.#deps = deps;
  }

  get pages(): AdminPages {
    const { decisions, clock } = this.#deps;
    const source: ExplainSource = {
      get recordsMax() {
        return decisions.recordsMax;
      },
      get lastId() {
        return decisions.lastId;
      },
      get undecidedRequests() {
        return decisions.undecidedRequests;
      },
      last: (count) => decisions.last(count),
      ofRequest: (id) => decisions.ofRequest(id),
      byId: (id) => decisions.byId(id),
      requestIds: (prefix, most) => decisions.requestIds(prefix, most),
      missingModel: (model) => missingModelIn(this.#deps.snapshot(clock.nowMs()), model),
      baselinesOf: (record) => this.#baselinesOf(record, decisions.inputsOf(record.id)),
    };
    return {
      "/explain/*": (_query, { path, accept }) => {
        const id = decoded(path.slice("/explain/".length));
        if (id === undefined) return textPage(400, "the id is not encoded as in a URL\n");
        return explainPage({ id, accept }, source, clock);
      },
    };
  }

  get posts(): AdminPosts {
    return {
      "/explain": (body, query, { accept }) => this.#tried(body, query, accept),
    };
  }

  #tried(body: Buffer, query: URLSearchParams, accept: string) {
    const { routing, snapshot, clock, chance } = this.#deps;
    const headers = new Map([["content-type", "application/json"]]);
    for (const line of query.getAll("header")) {
      const colon = line.indexOf(":");
      if (colon < 1) return textPage(400, "header: want NAME: VALUE\n");
      headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
    }
    const path = query.get("path") ?? "/v1/chat/completions";
    const head = { id: "dry-run", method: "POST", path, headers, subset: undefined };
    const pool = snapshot(clock.nowMs());
    const count = pool.endpoints.length + 1;
    const log = new DecisionLog({
      recordsMax: 1,
      numbersMax: count * triedNumbers,
      candidatesMax: count,
      chance,
    });
    // The next real request draws what it would have drawn.
    const before = chance?.state;
    const refusal = routing().tried({ head, body }, pool, log);
    if (chance !== undefined && before !== undefined) chance.state = before;
    if (refusal !== undefined) return textPage(400, `${refusal.code}: ${refusal.message}\n`);
    const [record] = log.last(1);
    if (record === undefined) return textPage(500, "no decision was made\n");
    const baselines = this.#baselinesOf(record, log.inputsOf(record.id));
    const models = missingModelIn(pool, record.targetModel);
    return triedPage({ record, accept, baselines, models }, clock);
  }

  #baselinesOf(record: DecisionRecord, inputs: DecisionInputs | undefined): readonly Baseline[] {
    if (inputs === undefined || inputs.candidates.length === 0) return [];
    const unwell = new Set(record.profiles.flatMap((profile) => profile.unwell));
    const baselines = [
      leastRequests(inputs),
      this.#peerDefault(inputs),
      roundRobin(record, inputs),
      consistentHash(inputs),
      sessionAffinity(inputs),
    ];
    return baselines.map(({ policy, picks, note }) => {
      // The baselines know no health, so one would pick a dead endpoint because it is idle.
      const isUnwell = picks.length > 0 && picks.every((id) => unwell.has(id));
      return { policy, picks, note: isUnwell ? "without health: it is kept out here" : note };
    });
  }

  #peerDefault(inputs: DecisionInputs): Baseline {
    const policy = "llm-d-router's default weights";
    const peer = (this.#peer ??= graphOf(peerDocument));
    const totals = decideAgain(inputs, peer).profiles[0]?.totals ?? [];
    const best = totals[0]?.total ?? 0;
    const picks = totals.filter(({ total }) => best - total <= tie).map(({ endpoint }) => endpoint);
    const hasMatch = inputs.data.some(({ produces }) => produces === "prefix-match");
    return { policy, picks, note: hasMatch ? undefined : "without prefix matches" };
  }
}

function graphOf(text: string): GraphToAsk {
  const random = seededRandom(1);
  const result = buildConfig(text, { memory: new PluginMemory(), random, allowsTestOnly: false });
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  return { graph: result.build.dataPlane.graph, random };
}

function leastRequests({ candidates, rows }: DecisionInputs): Baseline {
  const counts = rows["inFlightRequests"] ?? [];
  const least = Math.min(...counts);
  const picks = candidates.filter((_, index) => counts[index] === least).map(({ id }) => id);
  return { policy: "least requests in flight", picks };
}

/** The position of a real round robin is not known, so decisions are counted. */
function roundRobin({ id }: DecisionRecord, { candidates }: DecisionInputs): Baseline {
  const pick = candidates[(id - 1) % candidates.length];
  const picks = pick === undefined ? [] : [pick.id];
  return { policy: "round robin", picks, note: "by the number of the decision" };
}

/** The endpoint with the highest hash of its id and the session: it changes for few sessions if an endpoint comes or goes. */
function consistentHash({ candidates, request }: DecisionInputs): Baseline {
  const policy = "consistent hash of the session";
  if (Number.isNaN(request.sessionHash)) {
    return { policy, picks: [], note: "the request names no session" };
  }
  let [best, highest] = ["", -1];
  for (const { id } of candidates) {
    const hash = hashText(request.sessionHash, id);
    if (hash > highest) [best, highest] = [id, hash];
  }
  return { policy, picks: [best] };
}

function sessionAffinity({ candidates, data }: DecisionInputs): Baseline {
  const policy = "the session's last endpoint";
  const home = data.find(({ produces }) => produces === "session-home")?.value;
  const slot = typeof home === "object" && home !== null && "slot" in home ? home.slot : undefined;
  const last = candidates.find((each) => each.slot === slot);
  return last === undefined ? { policy, picks: [], note: "unknown" } : { policy, picks: [last.id] };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
