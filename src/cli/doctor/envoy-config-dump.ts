import {
  dumpedObjects,
  type DumpObject,
  pickersOf,
  recordOf,
  runtimeNumbers,
} from "../../config/envoy-dump.ts";
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

/** The parts of Envoy's `/config_dump` that matter for a picker; undefined for any other page. */
export function envoyConfigIn(page: unknown): EnvoyConfig | undefined {
  if (!Array.isArray(recordOf(page)?.["configs"])) return undefined;
  const objects = dumpedObjects(page);
  const { pickers, routes } = pickersOf(objects);
  const runtime = runtimeNumbers(page);
  return {
    extProcFilters: different(pickers.map(({ filter }) => filterOf(filter))),
    clusters: different(objects.flatMap(({ value }) => clusterIn(value, runtime))),
    routes: different(routes.flatMap(({ action }) => routeOf(action))),
  };
}

/** Values without those that equal an earlier one, as listeners for several ports do. */
function different<Value>(values: readonly Value[]): readonly Value[] {
  return [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];
}

function filterOf(filter: DumpObject): ExtProcFilter {
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

/** A dump wraps each cluster in an object with its version. The runtime takes precedence over its limits. */
function clusterIn(
  wrapper: DumpObject,
  runtime: ReadonlyMap<string, number>,
): readonly EnvoyCluster[] {
  const cluster = recordOf(wrapper["cluster"]);
  const name = textOf(cluster?.["name"]);
  if (cluster === undefined || name === undefined) return [];
  const thresholds = recordOf(cluster["circuit_breakers"])?.["thresholds"];
  const usual = (Array.isArray(thresholds) ? thresholds : [])
    .map(recordOf)
    .find((each) => (textOf(each?.["priority"]) ?? "DEFAULT") === "DEFAULT");
  const requestsMax =
    runtime.get(`circuit_breakers.${name}.default.max_requests`) ?? usual?.["max_requests"];
  return [
    {
      name,
      isOriginalDst: cluster["type"] === "ORIGINAL_DST",
      requestsMax: typeof requestsMax === "number" ? requestsMax : defaults.requestsMax,
    },
  ];
}

function routeOf(route: DumpObject): readonly EnvoyRoute[] {
  const weighted = recordOf(route["weighted_clusters"])?.["clusters"];
  const names = [
    textOf(route["cluster"]),
    ...(Array.isArray(weighted) ? weighted : []).map((each) => textOf(recordOf(each)?.["name"])),
  ];
  const timeoutMs = durationMsOf(route["timeout"]) ?? defaults.routeTimeoutMs;
  return names.flatMap((cluster) => (cluster === undefined ? [] : [{ cluster, timeoutMs }]));
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
