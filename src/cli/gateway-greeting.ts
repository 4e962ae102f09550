import type { Finding, GatewayPorts } from "../gateway/front.ts";
import { firstFew } from "../std/first-few.ts";
import { hostPortOf } from "../std/host-port.ts";

/** Endpoints, and names of one endpoint, that are shown. */
const endpointsShownMax = 64;
const namesShownMax = 10;

interface Greeting {
  /** IP address that the gateway listens on. */
  readonly address: string;
  readonly ports: GatewayPorts;
  readonly findings: readonly Finding[];
}

/** The findings at each endpoint, and a command to try. */
export function greetingOf({
  address,
  ports: { http = 0, metrics = 0 },
  findings,
}: Greeting): string {
  const isLocal = address === "127.0.0.1" || address === "::1";
  const own = address === "::" || address === "0.0.0.0" ? "127.0.0.1" : address;
  const base = `http://${hostPortOf(own, http)}`;
  const model = findings.flatMap(({ models = [] }) => models.map(({ id }) => id))[0];
  const lines = [
    `gateway    ${base}${isLocal ? "   (this machine only; --listen :8080 is for all)" : ""}`,
    `metrics    http://${hostPortOf(own, metrics)}/metrics`,
    "",
    ...firstFew(findings.map(lineOf), endpointsShownMax),
    "",
    ...tryLines(base, model),
    "",
  ];
  return lines.join("\n");
}

function lineOf({ endpoint: { hostPort, name }, engine, models }: Finding): string {
  const shownName = name === hostPort ? hostPort : `${hostPort} (${name.split("@", 1)[0]})`;
  if (models === undefined) return `endpoint   ${shownName}   ${engine ?? "no answer"}`;
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

function tryLines(base: string, model: string | undefined): string[] {
  if (model === undefined) return [`try        curl ${base}/v1/models`];
  const body = JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }] });
  return [
    `try        curl ${base}/v1/chat/completions -H 'content-type: application/json' \\`,
    `             -d '${body.replaceAll("'", String.raw`'\''`)}'`,
  ];
}
