import { writeFile } from "node:fs/promises";
import { defaultEngineSettings } from "../simulator/engine-settings.ts";
import {
  defaultEngines,
  defaultHost,
  defaultModel,
  defaultPort,
  enginesMax,
  type SimulatedEngine,
  startSimulator,
} from "../simulator/simulator.ts";
import { aborted } from "../std/abort.ts";
import { systemClock } from "../std/clock.ts";
import { systemRandom } from "../std/random.ts";
import type { CommandContext } from "./command.ts";
import { flagCommand, type ParsedFlags } from "./flag-command.ts";
import { flagHelp, type FlagTable, type FlagValues } from "./flags.ts";

const settings = defaultEngineSettings;

const flags = {
  engines: {
    kind: "int",
    initial: defaultEngines,
    min: 1,
    max: enginesMax,
    help: "Number of engines.",
  },
  host: { kind: "string", initial: defaultHost, help: "IP address of every port." },
  port: {
    kind: "int",
    initial: defaultPort,
    min: 0,
    max: 65_535,
    help: "Port of the first engine, the others follow; 0 takes free ports.",
  },
  "admin-port": {
    kind: "int",
    initial: -1,
    min: -1,
    max: 65_535,
    shownDefault: "the port after the engines",
    help: "Port of the admin endpoint.",
  },
  "endpoints-file": {
    kind: "string",
    initial: "",
    help: "Write a file for file-discovery here once the engines listen.",
  },
  model: { kind: "string", initial: defaultModel, help: "Name of the base model." },
  adapters: { kind: "list", initial: [], help: "LoRA adapters that requests may name." },
  "prefill-tokens-per-second": {
    kind: "number",
    initial: settings.prefillTokensPerSecond,
    help: "Prompt tokens computed a second.",
  },
  "step-tokens-max": {
    kind: "int",
    initial: settings.stepTokensMax,
    help: "Tokens one step may compute.",
  },
  "step-base-ms": {
    kind: "number",
    initial: settings.stepBaseMs,
    help: "Milliseconds that every step takes.",
  },
  "decode-ms-per-sequence": {
    kind: "number",
    initial: settings.decodeMsPerSequence,
    help: "Milliseconds a step takes longer per decoding sequence.",
  },
  "running-requests-max": {
    kind: "int",
    initial: settings.runningRequestsMax,
    help: "Sequences in the running batch.",
  },
  "waiting-requests-max": {
    kind: "int",
    initial: settings.waitingRequestsMax,
    help: "Requests in the waiting queue.",
  },
  "kv-cache-tokens-max": {
    kind: "int",
    initial: settings.kvCacheTokensMax,
    help: "Tokens the KV cache holds.",
  },
  "block-tokens": {
    kind: "int",
    initial: settings.blockTokens,
    help: "Tokens in a KV-cache block.",
  },
  "lora-slots-max": {
    kind: "int",
    initial: settings.loraSlotsMax,
    help: "LoRA adapters an engine holds at a time.",
  },
  "lora-load-ms": {
    kind: "number",
    initial: settings.loraLoadMs,
    help: "Milliseconds to load an adapter.",
  },
  "lora-series-max": {
    kind: "int",
    initial: settings.loraSeriesMax,
    help: "Most sets of adapters for which /metrics keeps a series.",
  },
  "output-tokens": {
    kind: "int",
    initial: settings.outputTokens,
    help: "Tokens generated for a client that sets no limit.",
  },
  "slow-factor": {
    kind: "number",
    initial: settings.slowFactor,
    help: "Multiplies the duration of every step.",
  },
  refuse: { kind: "boolean", initial: settings.refuse, help: "Fault: connections are refused." },
  hang: { kind: "boolean", initial: settings.hang, help: "Fault: requests are never answered." },
  "error-ratio": {
    kind: "number",
    initial: settings.errorRatio,
    help: "Fault: share of requests answered 500.",
  },
  "error-event-ratio": {
    kind: "number",
    initial: settings.errorEventRatio,
    help: "Fault: share of requests answered 200 with an error in the body.",
  },
  "die-after-tokens": {
    kind: "int",
    initial: settings.dieAfterTokens,
    help: "Fault: streams are cut after this many tokens; 0 never.",
  },
  "stale-metrics": {
    kind: "boolean",
    initial: settings.staleMetrics,
    help: "Fault: /metrics never changes.",
  },
  "metrics-hang": {
    kind: "boolean",
    initial: settings.metricsHang,
    help: "Fault: /metrics is never answered.",
  },
  "metrics-garbage": {
    kind: "boolean",
    initial: settings.metricsGarbage,
    help: "Fault: /metrics answers nonsense.",
  },
  "metrics-zeros": {
    kind: "boolean",
    initial: settings.metricsZeros,
    help: "Fault: /metrics tells of an engine without work.",
  },
} as const satisfies FlagTable;

const help = `Usage: pointsman sim [flags]

Simulated engines on consecutive ports: the OpenAI API with streams, vLLM's metrics, a
prefix cache, LoRA adapters, and faults. Speed, capacity and faults can be changed while
they run:

  curl localhost:ADMIN_PORT/engines
  curl -X PATCH localhost:ADMIN_PORT/engines/engine-0 -d '{"slowFactor": 4}'

Flags:
${flagHelp(flags)}
`;

export const sim = flagCommand({
  help,
  flags,
  run,
});

async function run(
  { values }: ParsedFlags<typeof flags>,
  context: CommandContext,
): Promise<number> {
  const simulator = await startSimulator(
    {
      engines: values.engines,
      host: values.host,
      port: values.port,
      adminPort: values["admin-port"] === -1 ? undefined : values["admin-port"],
      model: values.model,
      adapters: values.adapters,
      settings: settingsOf(values),
    },
    { clock: systemClock, random: systemRandom },
  );
  try {
    const file = values["endpoints-file"];
    if (file !== "") await writeFile(file, endpointsFileOf(simulator.engines));
    context.stdout(announcementOf(simulator.engines, values.host, simulator.adminPort));
    await aborted(context.stop);
    return 0;
  } finally {
    await simulator.close();
  }
}

function settingsOf(values: FlagValues<typeof flags>) {
  return {
    prefillTokensPerSecond: values["prefill-tokens-per-second"],
    stepTokensMax: values["step-tokens-max"],
    stepBaseMs: values["step-base-ms"],
    decodeMsPerSequence: values["decode-ms-per-sequence"],
    runningRequestsMax: values["running-requests-max"],
    waitingRequestsMax: values["waiting-requests-max"],
    kvCacheTokensMax: values["kv-cache-tokens-max"],
    blockTokens: values["block-tokens"],
    loraSlotsMax: values["lora-slots-max"],
    loraLoadMs: values["lora-load-ms"],
    loraSeriesMax: values["lora-series-max"],
    outputTokens: values["output-tokens"],
    slowFactor: values["slow-factor"],
    refuse: values.refuse,
    hang: values.hang,
    errorRatio: values["error-ratio"],
    errorEventRatio: values["error-event-ratio"],
    dieAfterTokens: values["die-after-tokens"],
    staleMetrics: values["stale-metrics"],
    metricsHang: values["metrics-hang"],
    metricsGarbage: values["metrics-garbage"],
    metricsZeros: values["metrics-zeros"],
  };
}

/** The engines as `file-discovery` reads them; JSON is YAML too. */
function endpointsFileOf(engines: readonly SimulatedEngine[]): string {
  const endpoints = engines.map(({ name, address, port }) => ({ name, address, port }));
  return `${JSON.stringify({ endpoints }, undefined, 2)}\n`;
}

function announcementOf(
  engines: readonly SimulatedEngine[],
  host: string,
  adminPort: number,
): string {
  const lines = engines.map(({ name, address, port }) => `${name} http://${address}:${port}`);
  return `${lines.join("\n")}\nadmin http://${host}:${adminPort}/engines\n`;
}
