import { SecondScheduler } from "../../data-plane/scheduling/second-scheduler.ts";
import type { SchedulingGraph } from "../../data-plane/scheduling/scheduler.ts";
import type { PluginMemory } from "../../state/plugin-memory.ts";
import { seededRandom } from "../../std/random.ts";
import { buildConfig } from "../build-config.ts";

/** Learns latencies, and decides nothing. */
const document = `apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: predicted-latency-producer
- type: max-score-picker
schedulingProfiles:
- name: default
  plugins:
  - pluginRef: max-score-picker
`;

interface RulerDeps {
  readonly rulerMemory: PluginMemory;
  readonly ignoresSubset: boolean;
}

/** Measures the picks of two documents if neither of them predicts latencies. */
export class Ruler {
  readonly #deps: RulerDeps;
  #scheduler: SecondScheduler | undefined;

  constructor(deps: RulerDeps) {
    this.#deps = deps;
  }

  /** For requests of which the document in force predicts nothing; undefined if the shadow document predicts latencies. */
  scheduler({ producers }: SchedulingGraph): SecondScheduler | undefined {
    if (producers.some(({ produces }) => produces === "latency-prediction")) return undefined;
    return (this.#scheduler ??= this.#built());
  }

  #built(): SecondScheduler {
    const { rulerMemory: memory, ignoresSubset } = this.#deps;
    const built = buildConfig(document, { memory, random: seededRandom(1), allowsTestOnly: false });
    if (built.kind === "invalid") throw new Error(built.mistakes.join("\n"));
    built.build.keepMemory();
    return new SecondScheduler(built.build.dataPlane.graph, { ignoresSubset });
  }
}
