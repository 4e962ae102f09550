import { Session } from "node:inspector/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { defaultConfigText } from "../../src/config/default-document.ts";
import { Http2Transport } from "../../src/data-plane/ingress/ext-proc/http2-transport.ts";
import { streamsOf } from "../../src/data-plane/ingress/ext-proc/stream-machine.ts";
import { Routing } from "../../src/data-plane/routing.ts";
import { DecisionLog } from "../../src/data-plane/scheduling/decision-log.ts";
import { buildConfig } from "../../src/gateway/build-config.ts";
import { createDataPlane } from "../../src/gateway/data-plane.ts";
import { observerOf } from "../../src/gateway/observer.ts";
import { createPool } from "../../src/gateway/pool.ts";
import { studiesOf } from "../../src/gateway/studies.ts";
import { PortListener } from "../../src/listening/port-listener.ts";
import { PluginMemory } from "../../src/state/plugin-memory.ts";
import { systemClock } from "../../src/std/clock.ts";
import { seededRandom } from "../../src/std/random.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { MetricsRegistry } from "../../src/telemetry/metrics-registry.ts";
import { ExtProcClient } from "./ext-proc-client.ts";

/** Prints as JSON the files of `src` in which a function runs for chat completions over ext_proc. */
const clock = systemClock;
const { logger: log } = createLogger("warn");
const registry = new MetricsRegistry();
const memory = new PluginMemory();
const pool = createPool({ clock, log, registry, memory });
pool.store.apply(
  [1, 2].map((port) => ({
    id: `default/e${port}`,
    namespace: "default",
    name: `e${port}`,
    address: "127.0.0.1",
    port,
    labels: {},
  })),
);
const result = buildConfig(defaultConfigText, {
  memory,
  random: seededRandom(1),
  allowsTestOnly: false,
});
if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
const bodyBytesMax = 2 ** 20;
const decisions = new DecisionLog();
const { build } = result;
const { studies, followers } = await studiesOf(
  {},
  { clock, log, registry, memory, pool, first: build, inForce: () => build },
);
const routing = new Routing(build.dataPlane, {
  ignoresSubset: false,
  bodyBytesMax,
  log: decisions,
  studies,
});
const observer = observerOf({
  registry,
  log,
  pool,
  clock,
  poolName: "pool",
  rewriteRules: () => [],
  fairnessIdsMax: 10,
  decisions,
});
const dataPlane = createDataPlane({
  clock,
  pool,
  routing: () => routing,
  followers: [observer, ...followers],
});
const transport = new Http2Transport(
  {
    listener: new PortListener({ kind: "cleartext" }, { clock, log, mendsNames: false }),
    clock,
    receivedBytesMax: 2 ** 21,
    sentBytesMax: undefined,
    health: undefined,
  },
  streamsOf({ dataPlane, bodyBytesMax, waitTimeoutMs: 0 }),
);
const client = new ExtProcClient(await transport.listen("127.0.0.1", 0));
const request = {
  path: "/v1/chat/completions",
  body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "Say hello." }] }),
};
// The first one opens the connection, and makes what is made once.
await client.run(request);
const session = new Session();
session.connect();
await session.post("Profiler.enable");
await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
await client.run(request);
// Health looks for silence at most every 250 ms, and the study of hits at capacities every second.
await clock.sleep(1_100);
await client.run(request);
const { result: scripts } = await session.post("Profiler.takePreciseCoverage");
client.close();
transport.abort();
const root = path.resolve("src");
const files = scripts.flatMap(({ url, functions }) => {
  const hasRun = functions.some(({ functionName, ranges: [whole] }) => {
    return functionName !== "" && (whole?.count ?? 0) > 0;
  });
  if (!hasRun || !url.startsWith("file:")) return [];
  const file = fileURLToPath(url);
  return file.startsWith(`${root}/`) ? [path.relative(root, file)] : [];
});
process.stdout.write(`${JSON.stringify(files.toSorted())}\n`);
