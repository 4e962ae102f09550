import { findEnvoy } from "./envoy-binary.ts";
import { programFailure } from "./program.ts";

/** The ways in which the demo's requests can come in. */
export const ingressKinds = ["http", "envoy"] as const;

/** The HTTP gateway of Pointsman; or Envoy, which asks the picker. */
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

/** The wanted ingress. Rejects if Envoy is wanted and cannot be found, fetched or run. */
export async function findIngress(
  wanted: IngressKind,
  { env, say, stop }: IngressDeps,
): Promise<Ingress> {
  if (wanted === "http") return { kind: "http" };
  const envoy = await findEnvoy(env, say, stop);
  if (envoy.kind === "missing") throw needsEnvoy(envoy.reason, envoy.advice);
  const failure = await programFailure(envoy.path, versionFlag, { env, signal: stop });
  if (failure === undefined) return { kind: "envoy", envoyPath: envoy.path };
  const advice = "set POINTSMAN_ENVOY to an Envoy for this machine";
  throw needsEnvoy(`${envoy.path} does not run: ${failure}`, advice);
}

function needsEnvoy(reason: string, advice: string): Error {
  return new Error(`the demo needs Envoy: ${reason}; ${advice}, or use --ingress http`);
}
