import { durationMsOf } from "./envoy-duration.ts";

/** A filter that asks a picker, as Envoy runs it; its defaults are filled in. */
export interface ExtProcFilter {
  /** Undefined for a picker that is reached without a cluster. */
  readonly cluster: string | undefined;
  readonly messageTimeoutMs: number;
  readonly failsOpen: boolean;
  readonly requestBodyMode: string;
  readonly responseBodyMode: string;
}

/** Circuit breakers of the default priority. */
interface EnvoyCluster {
  readonly name: string;
  /** True if the destination comes from a header. */
  readonly isOriginalDst: boolean;
  readonly requestsMax: number;
}

interface EnvoyRoute {
  readonly cluster: string;
  /** Limit of a whole response; 0 for none. */
  readonly timeoutMs: number;
}

export interface EnvoyConfig {
  readonly extProcFilters: readonly ExtProcFilter[];
  readonly clusters: readonly EnvoyCluster[];
  /** Of listeners that ask a picker. */
  readonly routes: readonly EnvoyRoute[];
}

/** Envoy's defaults. */
const defaults = { requestsMax: 1_024, messageTimeoutMs: 200, routeTimeoutMs: 15_000 };

type Json = Readonly<Record<string, unknown>>;

/** The parts of Envoy's `/config_dump` that matter for a picker; undefined for any other page. */
export function envoyConfigIn(page: unknown): EnvoyConfig | undefined {
  const configs = recordOf(page)?.["configs"];
  if (!Array.isArray(configs)) return undefined;
  const objects = [...objectsIn(configs.filter((each: unknown) => !isBootstrap(each)))];
  return {
    extProcFilters: different(objects.filter(isExtProc).map(filterOf)),
    clusters: different(objects.flatMap(clusterIn)),
    routes: different(routesBehindPickers(objects).flatMap(routeIn)),
  };
}

/** Objects of the route configurations of listeners with a picker's filter, their own and those that they name. */
function routesBehindPickers(objects: readonly Json[]): readonly Json[] {
  const managers = objects.filter(
    ({ http_filters: filters }) =>
      Array.isArray(filters) && [...objectsIn(filters)].some(isExtProc),
  );
  const names = new Set(managers.map(({ rds }) => recordOf(rds)?.["route_config_name"]));
  const named = objects.filter(
    ({ name, virtual_hosts: hosts }) => Array.isArray(hosts) && names.has(name),
  );
  const own = managers.map(({ route_config: config }) => config);
  return [...objectsIn([...own, ...named])];
}

/** True for the file that Envoy started with: the other parts of a dump show what came of it. */
function isBootstrap(config: unknown): boolean {
  return String(recordOf(config)?.["@type"]).endsWith(".BootstrapConfigDump");
}

/** Values without those that equal an earlier one, as listeners for several ports do. */
function different<Value>(values: readonly Value[]): readonly Value[] {
  return [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];
}

/** Every object of a tree, however deep. A dump is bounded by the bytes that are read of it. */
function* objectsIn(root: unknown): Generator<Json> {
  const open: unknown[] = [root];
  while (open.length > 0) {
    const value = open.pop();
    if (Array.isArray(value)) open.push(...value.toReversed());
    const record = recordOf(value);
    if (record === undefined) continue;
    yield record;
    open.push(...Object.values(record).toReversed());
  }
}

function isExtProc(object: Json): boolean {
  const type = object["@type"];
  return typeof type === "string" && type.endsWith(".ext_proc.v3.ExternalProcessor");
}

function filterOf(filter: Json): ExtProcFilter {
  const grpc = recordOf(recordOf(filter["grpc_service"])?.["envoy_grpc"]);
  const modes = recordOf(filter["processing_mode"]);
  return {
    cluster: textOf(grpc?.["cluster_name"]),
    messageTimeoutMs: durationMsOf(filter["message_timeout"]) ?? defaults.messageTimeoutMs,
    failsOpen: filter["failure_mode_allow"] === true,
    requestBodyMode: textOf(modes?.["request_body_mode"]) ?? "NONE",
    responseBodyMode: textOf(modes?.["response_body_mode"]) ?? "NONE",
  };
}

/** A dump wraps each cluster in an object with its version. */
function clusterIn(wrapper: Json): readonly EnvoyCluster[] {
  const cluster = recordOf(wrapper["cluster"]);
  const name = textOf(cluster?.["name"]);
  if (cluster === undefined || name === undefined) return [];
  const thresholds = recordOf(cluster["circuit_breakers"])?.["thresholds"];
  const usual = (Array.isArray(thresholds) ? thresholds : [])
    .map(recordOf)
    .find((each) => (textOf(each?.["priority"]) ?? "DEFAULT") === "DEFAULT");
  const requestsMax = usual?.["max_requests"];
  return [
    {
      name,
      isOriginalDst: cluster["type"] === "ORIGINAL_DST",
      requestsMax: typeof requestsMax === "number" ? requestsMax : defaults.requestsMax,
    },
  ];
}

function routeIn(object: Json): readonly EnvoyRoute[] {
  const route = recordOf(object["route"]);
  if (route === undefined || object["match"] === undefined) return [];
  const weighted = recordOf(route["weighted_clusters"])?.["clusters"];
  const names = [
    textOf(route["cluster"]),
    ...(Array.isArray(weighted) ? weighted : []).map((each) => textOf(recordOf(each)?.["name"])),
  ];
  const timeoutMs = durationMsOf(route["timeout"]) ?? defaults.routeTimeoutMs;
  return names.flatMap((cluster) => (cluster === undefined ? [] : [{ cluster, timeoutMs }]));
}

function recordOf(value: unknown): Json | undefined {
  // An object that is no list has its members under string keys.
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Json)
    : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
