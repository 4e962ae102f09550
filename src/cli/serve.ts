import { hostname, networkInterfaces } from "node:os";
import type { Build, BuildDeps } from "../gateway/build-config.ts";
import type { ExtProcOptions } from "../gateway/ext-proc-front.ts";
import { type GatewayOptions, startGateway } from "../gateway/gateway.ts";
import { PoolPolicies } from "../state/pool-policies.ts";
import { PluginMemory } from "../state/plugin-memory.ts";
import { systemClock } from "../std/clock.ts";
import { freshRandom } from "../std/random.ts";
import { createLogger, levelOfVerbosity } from "../telemetry/logger.ts";
import type { ClusterOptions } from "../control-plane/cluster.ts";
import { findCluster } from "../control-plane/kubernetes/cluster-access.ts";
import { reasonOf } from "../std/reason-of.ts";
import { clusterSourceOf, configMapOf } from "./cluster-flags.ts";
import { electionOf } from "./election-option.ts";
import { type CommandContext, UsageError } from "./command.ts";
import { flagCommand, type ParsedFlags } from "./flag-command.ts";
import { flagHelp, type FlagValues } from "./flags.ts";
import { isLoopback } from "./gateway-greeting.ts";
import { firstConfig } from "./first-config.ts";
import { flaggedEngineOf } from "./metric-flags.ts";
import { recordingOptionsOf } from "./recording-flags.ts";
import { scrapeFlagsOf } from "./scrape-flags.ts";
import { serveFlags } from "./serve-flags.ts";
import { tlsOptionsOf } from "./tls-flags.ts";
import { tracingOptionOf } from "./tracing-option.ts";
import { workersOf } from "./workers-option.ts";

type Values = FlagValues<typeof serveFlags>;

/** Room in a gRPC message for what goes with a body. */
const messageOverheadBytes = 1024 * 1024;

/**
 * Milliseconds for which new streams are still taken after readiness is withdrawn. Longer than the
 * second in which gateways usually check the health of a picker.
 */
const drainQuietMs = 2_000;

/** The name that llm-d-router has in traces, for dashboards. */
const serviceName = "llm-d-epp";

const help = `Usage: pointsman serve [flags]

Runs the endpoint picker, an ext_proc gRPC server. For every LLM request, a gateway such
as Envoy asks it which model server to use. Without --config-file, --config-text or
--config-map the default configuration applies; pointsman check prints it. The pool comes
from the cluster (--pool-name, --service or --endpoint-selector) or from a file that the
configuration names.

Flags (an environment variable can set each: POINTSMAN_CONFIG_FILE for --config-file):
${flagHelp(serveFlags)}
`;

export const serve = flagCommand({
  help,
  flags: serveFlags,
  readsEnvironment: true,
  run,
});

async function run(
  parsed: ParsedFlags<typeof serveFlags>,
  context: CommandContext,
): Promise<number> {
  const { values } = parsed;
  const policies = new PoolPolicies();
  const random = freshRandom();
  const build: BuildDeps = {
    policies,
    memory: new PluginMemory(),
    random,
    allowsTestOnly: values["enable-conformance-plugins"],
    featureGates: values["feature-gates"],
  };
  const first = await firstConfig(values, build);

  const { logger: log, flush } = createLogger(levelOfVerbosity(values.v));
  for (const warning of parsed.warnings) log.warn({ warning }, "flag accepted with warning");
  const strays = parsed.positionals.filter((word) => word !== "");
  if (strays.length > 0) log.warn({ words: strays }, "unexpected arguments ignored");

  try {
    const options = optionsOf(parsed, await clusterOf(values, first, context.env));
    const tracing = tracingOptionOf(parsed, { env: context.env, serviceName }, log);
    const gateway = await startGateway(
      { ...options, tracing },
      {
        ...build,
        chance: random,
        policies,
        first,
        clock: systemClock,
        log,
      },
    );
    log.info(
      {
        ...gateway.ports,
        address: options.bindAddress,
        tls: options.tls.grpc.kind,
        pool: options.metrics.poolName,
      },
      "listening",
    );
    if (
      first.controlPlane.discovery === undefined &&
      options.controlPlane.cluster?.source === undefined
    ) {
      log.warn(
        {
          advice:
            "set --pool-name, --service or --endpoint-selector, or name a file in dataLayer.discovery",
        },
        "pool not configured",
      );
    }
    await gateway.run({ stop: context.stop, cut: context.cut });
    return 0;
  } finally {
    await flush();
  }
}

/** The watched cluster. If the configuration names the pool itself, no cluster is needed for that. */
async function clusterOf(
  values: Values,
  { controlPlane }: Build,
  env: CommandContext["env"],
): Promise<ClusterOptions | undefined> {
  const named = clusterSourceOf(values, env);
  const source = controlPlane.discovery === undefined ? named : undefined;
  const configMap = configMapOf(values["config-map"]);
  const election = values["ha-enable-leader-election"] ? electionOf(named, env) : undefined;
  const isNeeded =
    values["metrics-endpoint-auth"] || (source ?? configMap ?? election) !== undefined;
  if (!isNeeded) return undefined;
  try {
    const access = await findCluster(values.kubeconfig || undefined, env);
    return { access, source, configMap, election, instance: env["POD_NAME"] || hostname() };
  } catch (cause) {
    throw new UsageError([reasonOf(cause)]);
  }
}

function optionsOf(
  parsed: ParsedFlags<typeof serveFlags>,
  cluster: ClusterOptions | undefined,
): GatewayOptions {
  const { values, isSet } = parsed;
  const bodyBytesMax = values["request-body-limit"] ?? Number.MAX_SAFE_INTEGER;
  const bindAddress = values["bind-address"] === "" ? everyAddress() : values["bind-address"];
  return {
    bindAddress,
    tls: tlsOptionsOf(values),
    front: {
      kind: "ext-proc",
      transport: transportOf(values.transport),
      bodyBytesMax,
      waitTimeoutMs: values["max-message-timeout"],
      healthPort: values["grpc-health-port"],
      port: values["grpc-port"],
      hasHealth: values["health-checking"],
      workers: workersOf(values.workers),
      receivedBytesMax: values["grpc-max-recv-msg-size"] ?? bodyBytesMax + messageOverheadBytes,
      sentBytesMax: values["grpc-max-send-msg-size"],
    },
    admin: {
      port: values["metrics-port"],
      hasAuth: isSet("metrics-endpoint-auth")
        ? values["metrics-endpoint-auth"]
        : cluster?.access.isInCluster === true,
      hasOlderMetricNames: values["older-metric-names"],
      // A web page can reach a loopback address by a name of its own.
      allowedHosts: isLoopback(bindAddress) ? [] : undefined,
    },
    requests: { bodyBytesMax, ignoresSubset: values["disable-endpoint-subset-filter"] },
    metrics: {
      poolName: cluster?.source?.name ?? (values["pool-name"] || "epp"),
      fairnessIdsMax: values["fairness-id-metric-label-limit"],
    },
    controlPlane: { cluster, scrape: scrapeFlagsOf(values, flaggedEngineOf(values, isSet)) },
    configFile: values["config-file"] === "" ? undefined : values["config-file"],
    shadowFile: values["shadow-config-file"] || undefined,
    drain: { timeoutMs: values["drain-timeout"], quietMs: drainQuietMs },
    recording: recordingOptionsOf(values),
  };
}

/** Every address, of both families if the machine has IPv6. */
function everyAddress(): string {
  const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ family }) => family === "IPv6"),
  );
  return hasIpv6 ? "::" : "0.0.0.0";
}

/** Values of `--transport`. */
const transports: Readonly<Record<string, ExtProcOptions["transport"]>> = {
  http2: "http2",
  "grpc-js": "grpc-js",
};

function transportOf(name: string): ExtProcOptions["transport"] {
  const transport = Object.hasOwn(transports, name) ? transports[name] : undefined;
  if (transport !== undefined) return transport;
  throw new UsageError([
    `invalid argument ${JSON.stringify(name)} for --transport: want one of ${Object.keys(transports).join(", ")}`,
  ]);
}
