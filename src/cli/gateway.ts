import { isIP } from "node:net";
import type { DiscoveryOptions } from "../control-plane/build.ts";
import type { BuildDeps } from "../gateway/build-config.ts";
import type { GateOptions } from "../gateway/http-front.ts";
import { type Gateway, type GatewayOptions, startGateway } from "../gateway/gateway.ts";
import { PluginMemory } from "../state/plugin-memory.ts";
import { PoolPolicies } from "../state/pool-policies.ts";
import { systemClock } from "../std/clock.ts";
import { freshRandom } from "../std/random.ts";
import { createLogger, levelOfVerbosity } from "../telemetry/logger.ts";
import { type CommandContext, UsageError } from "./command.ts";
import { engineTlsOf } from "./engine-tls-flags.ts";
import { allowedHostsOf, apiKeysOf, gateLimitsOf, httpTlsOf } from "./entry-flags.ts";
import { firstConfig } from "./first-config.ts";
import { flagCommand, type ParsedFlags } from "./flag-command.ts";
import { flagHelp, type FlagValues } from "./flags.ts";
import { gatewayFlags } from "./gateway-flags.ts";
import { type GatewayScheme, type Greeting, greetingOf, isLoopback } from "./gateway-greeting.ts";
import { hedgeAfterOf } from "./hedge-option.ts";
import { recordingOptionsOf } from "./recording-flags.ts";
import { scrapeFlagsOf } from "./scrape-flags.ts";
import { tlsLimitsOf } from "./tls-flags.ts";
import { tracingOptionOf } from "./tracing-option.ts";

type Values = FlagValues<typeof gatewayFlags>;

const keysAdvice =
  "anyone who reaches this address can use the engines: give --api-keys-file, or --listen 127.0.0.1:8080";

/** Time without a new request after which clients count as informed that the gateway stops. */
const drainQuietMs = 1_000;

/** Milliseconds between two looks at the first readings of endpoints, and looks until they are shown. */
const lookMs = 250;
const looksMax = 20;

/** Retries in ten seconds that are allowed in any case. */
const retryFloor = 10;

const help = `Usage: pointsman gateway --endpoints URL,URL [flags]

Runs an HTTP gateway for LLM requests, without Envoy and without Kubernetes: clients of the
OpenAI and Anthropic APIs send their requests to it, and it sends each one to the best of
the engines. Endpoints come from --endpoints, or from a file or DNS names that the
configuration names. Without --config-file or --config-text the default configuration
applies; pointsman check prints it.

  pointsman gateway --endpoints http://10.0.0.1:8000,http://10.0.0.2:8000

It listens on 127.0.0.1 only, unless --listen names another address. --api-keys-file has one
API key a line, NAME KEY or NAME sha256:HASH. This makes a key and its hash:

  key=sk-$(openssl rand -hex 24); echo "$key"
  printf %s "$key" | sha256sum

Flags (an environment variable can set each: POINTSMAN_LISTEN for --listen):
${flagHelp(gatewayFlags)}
`;

export const gateway = flagCommand({
  help,
  flags: gatewayFlags,
  readsEnvironment: true,
  run,
});

async function run(
  parsed: ParsedFlags<typeof gatewayFlags>,
  context: CommandContext,
): Promise<number> {
  const { values, positionals } = parsed;
  if (positionals.length > 0) {
    throw new UsageError([`unexpected arguments: ${positionals.join(" ")}`]);
  }
  const options = optionsOf(values, await apiKeysOf(values));
  const discovery = discoveryOf(values);
  const policies = new PoolPolicies();
  const random = freshRandom();
  const build: BuildDeps = {
    memory: new PluginMemory(),
    random,
    allowsTestOnly: false,
    needsModels: true,
    discovery,
  };
  const first = await firstConfig(values, build);
  if (first.controlPlane.discovery === undefined) {
    throw new UsageError([
      "no endpoints: give --endpoints, or name a source in dataLayer.discovery of the configuration",
    ]);
  }
  const { logger: log, flush } = createLogger(levelOfVerbosity(values.v));
  for (const warning of parsed.warnings) log.warn({ warning }, "flag accepted with warning");
  const { bindAddress: address } = options;
  if (!isLoopback(address) && values["api-keys-file"] === "") {
    log.warn({ address, advice: keysAdvice }, "network exposed without API keys");
  }
  try {
    const deps = { ...build, chance: random, policies, first, clock: systemClock, log };
    const service = { env: context.env, serviceName: "pointsman-gateway" };
    const tracing = tracingOptionOf(parsed, service, log);
    const running = await startGateway({ ...options, tracing }, deps);
    log.info({ ...running.ports, address: options.bindAddress }, "listening");
    const scheme: GatewayScheme = options.tls.http === undefined ? "http" : "https";
    const hasKeys = values["api-keys-file"] !== "";
    void greet(running, { address, scheme, hasKeys }, context);
    await running.run({ stop: context.stop, cut: context.cut });
    return 0;
  } finally {
    await flush();
  }
}

/** Tells the operator what was found, once the endpoints have been read. */
async function greet(
  running: Gateway,
  access: Pick<Greeting, "address" | "scheme" | "hasKeys">,
  { stdout, stop }: CommandContext,
): Promise<void> {
  for (let look = 1; look <= looksMax; look += 1) {
    await systemClock.sleep(lookMs, stop);
    if (stop.aborted) return;
    const findings = await running.findings();
    const isWhole = findings.every(
      ({ engine, models }) => engine !== undefined && models !== undefined,
    );
    if (isWhole || look === looksMax) {
      return stdout(greetingOf({ ...access, ports: running.ports, findings }));
    }
  }
}

function discoveryOf(values: Values): DiscoveryOptions | undefined {
  const { endpoints, "resolve-interval": intervalMs } = values;
  return endpoints.length === 0 ? undefined : { kind: "dns", addresses: endpoints, intervalMs };
}

function optionsOf(values: Values, apiKeys: GateOptions["apiKeys"]): GatewayOptions {
  const { address, port } = listenAddressOf(values.listen);
  const isLocal = isLoopback(address);
  const engineTls = engineTlsOf(values);
  const bodyBytesMax = values["request-body-limit"] ?? Number.MAX_SAFE_INTEGER;
  return {
    bindAddress: address,
    tls: {
      limits: tlsLimitsOf(values),
      grpc: { kind: "cleartext" },
      metrics: undefined,
      ...httpTlsOf(values),
    },
    front: {
      kind: "http",
      port,
      bodyBytesMax,
      totalTimeoutMs: values["total-timeout"],
      trustsForwarded: values["trust-forwarded-headers"],
      headTimeoutMs: 15_000,
      keepAliveMs: 75_000,
      headBytesMax: 64 * 1024,
      connectionsMax: values["connections-max"],
      gate: {
        ...gateLimitsOf(values, values["request-body-limit"]),
        apiKeys,
        allowedHosts: allowedHostsOf(values, { isLocal, hasOwnLock: apiKeys !== undefined }),
      },
      connections: {
        connectTimeoutMs: values["connect-timeout"],
        headTimeoutMs: values["try-timeout"],
        idleTimeoutMs: values["idle-timeout"],
        perEndpointMax: values["endpoint-connections-max"],
      },
      engineTls,
      retries: {
        retriesMax: values["retries-max"],
        budget: { ratio: values["retry-budget"], floor: retryFloor },
      },
      silenceMsMin: values["silence-timeout"],
      hedgeAfter: hedgeAfterOf(values["hedge-after"]),
    },
    admin: {
      port: values["metrics-port"],
      hasAuth: false,
      hasOlderMetricNames: false,
      allowedHosts: allowedHostsOf(values, { isLocal, hasOwnLock: false }),
    },
    requests: { bodyBytesMax, ignoresSubset: true },
    metrics: { poolName: "gateway", fairnessIdsMax: 1_000 },
    controlPlane: {
      cluster: undefined,
      // Metrics of engines are described by the configuration, not by flags.
      scrape: { ...scrapeFlagsOf(values, undefined), engineTls },
    },
    configFile: values["config-file"] === "" ? undefined : values["config-file"],
    shadowFile: values["shadow-config-file"] || undefined,
    drain: { timeoutMs: values["drain-timeout"], quietMs: drainQuietMs },
    recording: recordingOptionsOf(values),
  };
}

/** `127.0.0.1:8080`, `[::1]:8080`, `:8080` or `8080`. */
export function listenAddressOf(text: string): { readonly address: string; readonly port: number } {
  const [, host = "", digits = ""] = /^(?:(.*):)?(\d{1,5})$/u.exec(text) ?? [];
  const bare = host.replace(/^\[(.*)\]$/u, "$1");
  const address = bare === "localhost" ? "127.0.0.1" : bare;
  const port = Number(digits);
  const isKnown = address === "" || isIP(address) !== 0;
  if (digits === "" || port > 65_535 || !isKnown) {
    throw new UsageError([
      `invalid argument ${JSON.stringify(text)} for --listen: want an IP address and a port, such as 127.0.0.1:8080`,
    ]);
  }
  if (address !== "") return { address, port };
  // A port alone stays on this machine; a colon before it means all addresses.
  return { address: text.startsWith(":") ? "::" : "127.0.0.1", port };
}
