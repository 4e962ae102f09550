import { randomUUID } from "node:crypto";
import { Agent } from "undici";
import { seededRandom } from "../../src/std/random.ts";
import type { EngineSettings } from "../../src/simulator/engine-settings.ts";
import { type Simulator, startSimulator } from "../../src/simulator/simulator.ts";
import { systemClock } from "../../src/std/clock.ts";
import { type Rig, startRig } from "../../test/support/rig.ts";

/** An engine runs 8 requests of about 0.2 s at a time: 40 a second. */
export const perEngine = 8;
export const requestsPerSecondPerEngine = 40;
const smallEngine: Partial<EngineSettings> = {
  runningRequestsMax: perEngine,
  prefillTokensPerSecond: 1_000_000,
  stepBaseMs: 20,
  decodeMsPerSequence: 0,
  outputTokens: 10,
};

/** As the simulator counts them. */
const bytesPerToken = 4;

/** Requests of one run; the load of a scenario stays below it. */
const sentMax = 10_000;
const answerMsMax = 90_000;

/** Settings of the queue under test. */
export interface QueueOptions {
  readonly engines: number;
  /** Lines of `flowControl`. */
  readonly flowControl?: readonly string[];
  /** Further plugins, as list entries. */
  readonly plugins?: readonly string[];
  /** Plugins, as list entries, and sections, in place of a queue of requests that the picker counts itself. */
  readonly document?: string;
  /** Settings of engines, in place of 8 requests of about 0.2 s at a time. */
  readonly settings?: Partial<EngineSettings>;
  readonly drainTimeoutSeconds?: number;
}

/** The parts of a request that a scenario chooses. */
export interface Asked {
  /** Those of its tenant or objective. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Undefined for a few. */
  readonly promptTokens?: number;
  /** Undefined for those of the engine's settings. */
  readonly outputTokens?: number;
}

/** A request and its end, in milliseconds of `systemClock`. */
export interface Sent {
  readonly id: string;
  /** The tenant or the priority. */
  readonly group: string;
  /** Undefined if the scenario did not choose it. */
  readonly promptTokens: number | undefined;
  readonly sentMs: number;
  /** When the first bytes of the answer came; undefined if none did. */
  readonly firstMs: number | undefined;
  readonly endedMs: number;
  /** `200`, another status with its reason, or the error of the connection. */
  readonly result: string;
}

/** Document of a queue of requests that the picker counts itself. */
export function documentOf({
  flowControl = [],
  plugins = [],
}: Pick<QueueOptions, "flowControl" | "plugins">): string {
  const more = plugins.map((entry) => `- ${entry}\n`).join("");
  const lines = flowControl.map((line) => `  ${line}\n`).join("");
  return `- {type: concurrency-detector, parameters: {maxConcurrency: ${perEngine}}}
- {type: round-robin-fairness-policy}
${more}featureGates: [flowControl]
flowControl:
  saturationDetector: {pluginRef: concurrency-detector}
${lines}objectives: [{name: "100", priority: 100}, {name: "-10", priority: -10}]

`;
}

/** Engines, a picker and a real Envoy, and a client in front of them. */
export class Stand {
  readonly rig: Rig;
  readonly simulator: Simulator;
  readonly sent: Sent[] = [];
  readonly #agent = new Agent({ connections: 4_096, pipelining: 1, headersTimeout: 0 });
  #count = 0;

  private constructor(rig: Rig, simulator: Simulator) {
    this.rig = rig;
    this.simulator = simulator;
  }

  static async start(options: QueueOptions): Promise<Stand> {
    const { engines, drainTimeoutSeconds = 30, settings = smallEngine } = options;
    const simulator = await startSimulator(
      { port: 0, engines, settings },
      { clock: systemClock, random: seededRandom(1) },
    );
    try {
      const rig = await startRig({
        engines: simulator.engines,
        apiVersion: "pointsman.dev/v1alpha1",
        scheduling: options.document ?? documentOf(options),
        flags: [`--drain-timeout=${drainTimeoutSeconds}s`],
      });
      return new Stand(rig, simulator);
    } catch (cause) {
      await simulator.close();
      throw cause;
    }
  }

  /** Sends a request; resolves at its end. */
  async send(group: string, asked: Asked = {}): Promise<void> {
    this.#count += 1;
    if (this.#count > sentMax) throw new Error(`a scenario may send ${sentMax} requests`);
    const id = randomUUID();
    const sentMs = systemClock.nowMs();
    const { result, firstMs } = await this.#resultOf(id, asked);
    const { promptTokens } = asked;
    const endedMs = systemClock.nowMs();
    this.sent.push({ id, group, promptTokens, sentMs, firstMs, endedMs, result });
  }

  /** Requests that wait now. */
  waiting(): Promise<number> {
    return this.rig.metric("llm_d_epp_flow_control_queue_size");
  }

  /** Closes the port of an engine and cuts its connections. */
  async kill(name: string): Promise<void> {
    const url = `http://127.0.0.1:${this.simulator.adminPort}/engines/${name}`;
    await fetch(url, { method: "PATCH", body: JSON.stringify({ refuse: true }) });
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
    await this.rig.close();
    await this.simulator.close();
  }

  async #resultOf(
    id: string,
    { headers, promptTokens = 0, outputTokens }: Asked,
  ): Promise<Pick<Sent, "result" | "firstMs">> {
    let firstMs: number | undefined;
    try {
      const response = await this.#agent.request({
        origin: this.rig.url,
        path: "/v1/chat/completions",
        method: "POST",
        headers: { "content-type": "application/json", "x-request-id": id, ...headers },
        body: JSON.stringify({
          ...{ model: "sim-model", stream: true, max_tokens: outputTokens },
          messages: [{ role: "user", content: id.padEnd(promptTokens * bytesPerToken, " words") }],
        }),
        signal: AbortSignal.timeout(answerMsMax),
      });
      let text = "";
      for await (const chunk of response.body) {
        firstMs ??= systemClock.nowMs();
        text = String(chunk);
      }
      if (text.includes('"code":"evicted"')) return { result: "evicted", firstMs };
      const reason = response.headers["x-llm-d-request-dropped-reason"];
      const { statusCode } = response;
      const result = typeof reason === "string" ? `${statusCode} ${reason}` : String(statusCode);
      return { result, firstMs };
    } catch (cause) {
      return { result: cause instanceof Error ? cause.message : String(cause), firstMs };
    }
  }
}
