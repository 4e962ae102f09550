import type { Finding, GatewayPorts } from "../gateway/front.ts";
import { firstFew } from "../std/first-few.ts";
import { hostPortOf } from "../std/host-port.ts";

/** Endpoints, and names of one endpoint, that are shown. */
const endpointsShownMax = 64;
const namesShownMax = 10;

export type GatewayScheme = "http" | "https";

export interface Greeting {
  /** IP address that the gateway listens on. */
  readonly address: string;
  readonly ports: GatewayPorts;
  readonly findings: readonly Finding[];
  readonly scheme?: GatewayScheme;
  /** True if clients need an API key. */
  readonly hasKeys?: boolean;
}

export function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

/** The findings at each endpoint, and a command to try. */
export function greetingOf({
  address,
  ports: { http = 0, metrics = 0 },
  findings,
  scheme = "http",
  hasKeys = false,
}: Greeting): string {
  const own = address === "::" || address === "0.0.0.0" ? "127.0.0.1" : address;
  const base = `${scheme}://${hostPortOf(own, http)}`;
  const key = hasKeys ? ` -H "authorization: Bearer $KEY"` : "";
  const model = findings.flatMap(({ models = [] }) => models.map(({ id }) => id))[0];
  const lines = [
    `gateway    ${base}   (${reachOf(address, hasKeys)})`,
    `metrics    http://${hostPortOf(own, metrics)}/metrics`,
    `live page  http://${hostPortOf(own, metrics)}/ui`,
    "",
    ...firstFew(findings.map(lineOf), endpointsShownMax),
    ...(findings.length === 0 ? ["endpoint   none yet"] : []),
    "",
    ...tryLines({ base, key }, model),
    "",
  ];
  return lines.join("\n");
}

function lineOf({ endpoint, engine, models, tlsFailure }: Finding): string {
  const { hostPort, name, tls } = endpoint;
  const url = tls === undefined ? hostPort : `https://${hostPort}`;
  const shownName = name === hostPort ? url : `${url} (${name.split("@", 1)[0]})`;
  if (models === undefined) {
    return `endpoint   ${shownName}   ${tlsFailure ?? engine ?? "no answer"}`;
  }
  const base = models.filter((model) => !isAdapter(model)).map(({ id }) => id);
  const adapters = models.filter(isAdapter).map(({ id }) => id);
  const parts = [
    engine ?? "unknown engine",
    base.length === 0 ? "no models" : `models: ${named(base)}`,
    ...(adapters.length === 0 ? [] : [`adapters: ${named(adapters)}`]),
  ];
  return `endpoint   ${shownName}   ${parts.join("   ")}`;
}

function isAdapter({ parent }: { readonly parent?: unknown }): boolean {
  return typeof parent === "string";
}

function named(names: readonly string[]): string {
  return firstFew(names, namesShownMax).join(", ");
}

function reachOf(address: string, hasKeys: boolean): string {
  if (isLoopback(address)) return "this machine only; --listen :8080 is for all";
  return hasKeys ? "for all with an API key" : "for all, without API keys";
}

function tryLines(
  { base, key }: { readonly base: string; readonly key: string },
  model: string | undefined,
): string[] {
  if (model === undefined) return [`try        curl ${base}/v1/models${key}`];
  const body = JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }] });
  return [
    `try        curl ${base}/v1/chat/completions -H 'content-type: application/json'${key} \\`,
    `             -d '${body.replaceAll("'", String.raw`'\''`)}'`,
  ];
}
