import type { TransportKind } from "../data-plane/ingress/ext-proc/load-transport.ts";
import type { TransportOptions } from "../data-plane/ingress/ext-proc/transport.ts";
import { HealthService } from "../data-plane/ingress/grpc/health.ts";
import { healthPort } from "../data-plane/ingress/grpc/health-port.ts";
import type { Ingress } from "../data-plane/ingress/ingress.ts";
import { WorkerIngress } from "../data-plane/ingress/workers/worker-ingress.ts";
import type { BodyRules } from "../core/parse-result.ts";
import type { IdentityOptions } from "../listening/server-identity.ts";
import type { Pipeline } from "../data-plane/pipeline.ts";
import type { Identities } from "../listening/identities.ts";
import { PortListener } from "../listening/port-listener.ts";
import type { Clock } from "../std/clock.ts";
import { programFile } from "../std/program-file.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Front } from "./front.ts";
import { transportBy } from "./ext-proc-transport.ts";
import type { Readiness } from "./readiness.ts";

/** The ext_proc port and that of the health service. Port 0 means any free port. */
export interface ExtProcOptions extends Pick<
  TransportOptions,
  "receivedBytesMax" | "sentBytesMax"
> {
  readonly kind: "ext-proc";
  readonly transport: TransportKind;
  readonly port: number;
  /** True if this port also answers health checks. */
  readonly hasHealth: boolean;
  readonly healthPort: number;
  readonly bodyBytesMax: number;
  /** Time that the proxy is asked for when a request waits, in milliseconds; 0 if it is not asked. */
  readonly waitTimeoutMs: number;
  /** Threads that take streams; with one, that is the main thread. */
  readonly workers: number;
}

/** Options of a thread that takes streams. */
export interface ThreadOptions extends Pick<
  ExtProcOptions,
  "transport" | "receivedBytesMax" | "sentBytesMax" | "hasHealth" | "bodyBytesMax" | "waitTimeoutMs"
> {
  readonly tls:
    | { readonly kind: "cleartext" }
    | { readonly kind: "tls" | "both"; readonly options: IdentityOptions };
}

interface ExtProcDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly identities: Identities;
  readonly readiness: Readiness;
  readonly dataPlane: Pipeline;
  /** The rules by which bodies are used; the same object until they change. */
  readonly bodyRules: () => BodyRules;
}

/** Requests come in as ext_proc streams of a proxy. */
export async function extProcFront(options: ExtProcOptions, deps: ExtProcDeps): Promise<Front> {
  const { readiness } = deps;
  const health = new HealthService();
  readiness.onChange((isReady) => health.setReady(isReady));
  const probed = healthPort(health, { listener: healthListener(deps), clock: deps.clock });
  const workers = options.workers > 1 ? workerIngress(options, deps) : undefined;
  const ingress = workers ?? (await mainIngress(options, { ...deps, health }));
  return {
    ingress,
    listen: async (bindAddress) => ({
      health: await probed.listen(bindAddress, options.healthPort),
      grpc: await ingress.listen(bindAddress, options.port),
    }),
    reconfigured: () => workers?.tellRules(),
    close: () => probed.abort(),
  };
}

/** Kubelets probe without TLS. */
function healthListener({ clock, log }: ExtProcDeps): PortListener {
  return new PortListener({ kind: "cleartext" }, { clock, log, mendsNames: false });
}

/** Takes streams on this thread. */
async function mainIngress(
  options: ExtProcOptions,
  { health, ...deps }: ExtProcDeps & { readonly health: HealthService },
): Promise<Ingress> {
  const { dataPlane, identities } = deps;
  const make = await transportBy(options);
  return make({ ...deps, health, dataPlane, accepted: identities.grpc });
}

/** Takes streams on threads of their own. */
function workerIngress(options: ExtProcOptions, deps: ExtProcDeps): WorkerIngress {
  const { transport, workers, receivedBytesMax, sentBytesMax, hasHealth, ...rest } = options;
  const { bodyBytesMax, waitTimeoutMs } = rest;
  const { grpc } = deps.identities;
  const threadOptions = (): ThreadOptions => ({
    transport,
    receivedBytesMax,
    sentBytesMax,
    hasHealth,
    bodyBytesMax,
    waitTimeoutMs,
    tls: grpc.kind === "cleartext" ? grpc : { kind: grpc.kind, options: grpc.identity.options },
  });
  const ingress = new WorkerIngress(
    { workers, entry: programFile("ext-proc-thread", import.meta.url), options: threadOptions },
    { ...deps, rules: deps.bodyRules },
  );
  deps.readiness.onChange((isReady) => ingress.setReady(isReady));
  if (grpc.kind !== "cleartext") {
    grpc.identity.onReplaced((identity) =>
      ingress.tellAll({ kind: "identity", options: identity }),
    );
  }
  return ingress;
}
