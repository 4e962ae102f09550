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
  host: { kind: "string", initial: defaultHost, help: "IP address that all ports bind to." },
  port: {
    kind: "int",
    initial: defaultPort,
    min: 0,
    max: 65_535,
    help: "Port of the first engine; the others follow. 0 takes free ports.",
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
    help: "Path of a file for file-discovery, written once the engines listen.",
  },
  model: { kind: "string", initial: defaultModel, help: "Name of the base model." },
  adapters: { kind: "list", initial: [], help: "LoRA adapters that requests may name." },
  "prefill-tokens-per-second": {
    kind: "number",
    initial: settings.prefillTokensPerSecond,
    help: "Prompt tokens computed per second.",
  },
  "step-tokens-max": {
    kind: "int",
    initial: settings.stepTokensMax,
    help: "Maximum tokens computed in one step.",
  },
  "step-base-ms": {
    kind: "number",
    initial: settings.stepBaseMs,
    help: "Base duration of a step, in milliseconds.",
  },
  "decode-ms-per-sequence": {
    kind: "number",
    initial: settings.decodeMsPerSequence,
    help: "Additional step duration per decoding sequence, in milliseconds.",
  },
  "prefill-chunk-tokens-max": {
    kind: "int",
    initial: settings.prefillChunkTokensMax,
    help: "Maximum tokens of one prompt in a step; 0 for no limit.",
  },
  "running-requests-max": {
    kind: "int",
    initial: settings.runningRequestsMax,
    help: "Maximum sequences in the running batch.",
  },
  "waiting-requests-max": {
    kind: "int",
    initial: settings.waitingRequestsMax,
    help: "Maximum requests in the waiting queue.",
  },
  "kv-cache-tokens-max": {
    kind: "int",
    initial: settings.kvCacheTokensMax,
    help: "Size of the KV cache, in tokens.",
  },
  "block-tokens": {
    kind: "int",
    initial: settings.blockTokens,
    help: "Size of a KV-cache block, in tokens.",
  },
  "prefix-caching": {
    kind: "boolean",
    initial: settings.prefixCaching,
    help: "Keep blocks for later prompts.",
  },
  "priority-scheduling": {
    kind: "boolean",
    initial: settings.priorityScheduling,
    help: "Run requests by their priority, the lowest number first.",
  },
  "lora-slots-max": {
    kind: "int",
    initial: settings.loraSlotsMax,
    help: "Maximum LoRA adapters loaded at a time.",
  },
  "lora-load-ms": {
    kind: "number",
    initial: settings.loraLoadMs,
    help: "Time to load an adapter, in milliseconds.",
  },
  "lora-series-max": {
    kind: "int",
    initial: settings.loraSeriesMax,
    help: "Maximum sets of adapters with a series in /metrics.",
  },
  "output-tokens": {
    kind: "int",
    initial: settings.outputTokens,
    help: "Tokens generated if the client sets no limit.",
  },
  "slow-factor": {
    kind: "number",
    initial: settings.slowFactor,
    help: "Factor applied to the duration of every step.",
  },
  refuse: { kind: "boolean", initial: settings.refuse, help: "Fault: refuse connections." },
  hang: { kind: "boolean", initial: settings.hang, help: "Fault: never answer requests." },
  reset: {
    kind: "boolean",
    initial: settings.reset,
    help: "Fault: reset the connections of requests.",
  },
  "error-ratio": {
    kind: "number",
    initial: settings.errorRatio,
    help: "Fault: share of requests answered with --error-status.",
  },
  "error-status": {
    kind: "int",
    initial: settings.errorStatus,
    help: "Status of the errors of --error-ratio.",
  },
  "retry-after-seconds": {
    kind: "int",
    initial: settings.retryAfterSeconds,
    help: "Retry-After on the errors of --error-ratio, in seconds; 0 for none.",
  },
  "error-event-ratio": {
    kind: "number",
    initial: settings.errorEventRatio,
    help: "Fault: share of requests answered with 200 and an error in the body.",
  },
  "empty-ratio": {
    kind: "number",
    initial: settings.emptyRatio,
    help: "Fault: share of requests answered with 200 and no body.",
  },
  "die-after-tokens": {
    kind: "int",
    initial: settings.dieAfterTokens,
    help: "Fault: cut streams after this many tokens; 0 for never.",
  },
  "stale-metrics": {
    kind: "boolean",
    initial: settings.staleMetrics,
    help: "Fault: freeze /metrics.",
  },
  "metrics-hang": {
    kind: "boolean",
    initial: settings.metricsHang,
    help: "Fault: never answer /metrics.",
  },
  "metrics-garbage": {
    kind: "boolean",
    initial: settings.metricsGarbage,
    help: "Fault: answer /metrics with garbage.",
  },
  "metrics-zeros": {
    kind: "boolean",
    initial: settings.metricsZeros,
    help: "Fault: report an idle engine in /metrics.",
  },
} as const satisfies FlagTable;

const help = `Usage: pointsman sim [flags]

Runs simulated engines on consecutive ports, with vLLM's APIs, streaming, vLLM metrics, a
prefix cache, LoRA adapters and faults. Speed, capacity and faults can be changed at runtime:

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
    prefillChunkTokensMax: values["prefill-chunk-tokens-max"],
    stepBaseMs: values["step-base-ms"],
    decodeMsPerSequence: values["decode-ms-per-sequence"],
    runningRequestsMax: values["running-requests-max"],
    waitingRequestsMax: values["waiting-requests-max"],
    kvCacheTokensMax: values["kv-cache-tokens-max"],
    blockTokens: values["block-tokens"],
    prefixCaching: values["prefix-caching"],
    priorityScheduling: values["priority-scheduling"],
    loraSlotsMax: values["lora-slots-max"],
    loraLoadMs: values["lora-load-ms"],
    loraSeriesMax: values["lora-series-max"],
    outputTokens: values["output-tokens"],
    slowFactor: values["slow-factor"],
    refuse: values.refuse,
    hang: values.hang,
    reset: values.reset,
    errorRatio: values["error-ratio"],
    errorEventRatio: values["error-event-ratio"],
    errorStatus: values["error-status"],
    retryAfterSeconds: values["retry-after-seconds"],
    emptyRatio: values["empty-ratio"],
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
