import { programFailure } from "./program.ts";
import { findEnvoy } from "./envoy-binary.ts";

/** The ways in which the demo's requests can come in. */
export const ingressKinds = ["envoy", "http"] as const;

/** Envoy, which asks the picker; or the picker's own HTTP gateway. */
export type IngressKind = (typeof ingressKinds)[number];

export type Ingress =
  | { readonly kind: "envoy"; readonly envoyPath: string }
  | { readonly kind: "http" };

export interface IngressDeps {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly say: (line: string) => void;
  readonly stop: AbortSignal;
}

/** Arguments with which an Envoy only prints its version. */
const versionFlag = ["--version"];

/**
 * The wanted ingress. If none is wanted, Envoy if one can be found or fetched and runs here, otherwise
 * HTTP, with a line that gives the reason. Rejects if Envoy is wanted and cannot be had.
 */
export async function findIngress(
  wanted: IngressKind | undefined,
  { env, say, stop }: IngressDeps,
): Promise<Ingress> {
  if (wanted === "http") return { kind: "http" };
  const { reason, advice, envoyPath } = await findWorkingEnvoy({ env, say, stop });
  if (envoyPath !== undefined) return { kind: "envoy", envoyPath };
  if (wanted === "envoy") {
    throw new Error(`the demo needs Envoy: ${reason}; ${advice}, or use --ingress http`);
  }
  if (!stop.aborted) say(`using the HTTP gateway instead of Envoy: ${reason}`);
  return { kind: "http" };
}

interface FoundEnvoy {
  readonly envoyPath?: string;
  readonly reason?: string;
  readonly advice?: string;
}

async function findWorkingEnvoy({ env, say, stop }: IngressDeps): Promise<FoundEnvoy> {
  const envoy = await findEnvoy(env, say, stop);
  if (envoy.kind === "missing") return envoy;
  const failure = await programFailure(envoy.path, versionFlag, { env, signal: stop });
  if (failure === undefined) return { envoyPath: envoy.path };
  return {
    reason: `${envoy.path} does not run: ${failure}`,
    advice: "set POINTSMAN_ENVOY to an Envoy for this machine",
  };
}
