import type { EndpointTls, MetricsAddress } from "../../../core/endpoint.ts";
import { hostPortOf, httpsHostOf } from "../../../std/host-port.ts";
import type { EngineMapping } from "./engines/mapping.ts";

/** Data of an endpoint that its scraper needs; plain data that can go to another thread. */
export interface ScrapedEndpoint {
  readonly slot: number;
  /** Generation of the slot, while it belongs to this endpoint. */
  readonly generation: number;
  /** `namespace/name` */
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly tls?: EndpointTls | undefined;
  readonly podName?: string | undefined;
  readonly nodeAddress?: string | undefined;
  /** Address of its metrics, from its pod's annotations. */
  readonly metrics?: MetricsAddress | undefined;
}

export interface ScrapeAddress {
  readonly scheme: "http" | "https";
  readonly path: string;
  /** Undefined for the port that the endpoint serves on. */
  readonly port: number | undefined;
  readonly timeoutMs: number;
}

/** Configured addresses of metrics: plain data that can go to another thread. */
export interface MetricsAddresses extends ScrapeAddress {
  /** True if a document or a flag gives a path that is not the usual one. */
  readonly isPathGiven: boolean;
  /** Addresses for endpoints with these engines. */
  readonly engineAddresses: readonly (MetricsAddress & { readonly name: string })[];
  /** True if pod annotations are used. */
  readonly usesPodAnnotations: boolean;
}

/** One place where metrics may be. */
export interface MetricsPlace {
  /** `scheme://ip:port` */
  readonly origin: string;
  readonly path: string;
}

/** `scheme://ip:port` to read from an endpoint. The port that it serves on over TLS is read over TLS too. */
export function originOf(
  endpoint: Pick<ScrapedEndpoint, "address" | "port" | "tls">,
  { scheme, port = endpoint.port }: Pick<ScrapeAddress, "scheme" | "port">,
): string {
  const isOwnPort = port === endpoint.port;
  const spoken = isOwnPort && endpoint.tls !== undefined ? "https" : scheme;
  return `${spoken}://${hostPortOf(endpoint.address, port)}`;
}

/** True if an origin is the port that an endpoint serves on over TLS. */
export function isSecurePort({ address, port, tls }: ScrapedEndpoint, origin: string): boolean {
  return tls !== undefined && origin === `https://${hostPortOf(address, port)}`;
}

/** The `Host` of an endpoint whose certificate has a name; undefined for its address. */
export function hostHeaderOf(endpoint: ScrapedEndpoint, origin: string): string | undefined {
  const { tls, port } = endpoint;
  const isNamed = tls?.serverName !== undefined && isSecurePort(endpoint, origin);
  return isNamed ? httpsHostOf(tls.serverName, port) : undefined;
}

/**
 * The engine that the labels of an endpoint name, and all that it may have: the default one first.
 */
export interface PossibleEngines {
  readonly named: EngineMapping | undefined;
  readonly known: readonly EngineMapping[];
}

/**
 * The places where an endpoint's metrics may be, the likeliest first, each once.
 *
 * In order of precedence: the pod's annotations, the document's entry for the engine, the
 * document's general address and the flags, the engine's usual path. If one fails, the others are
 * tried: annotations are often for another exporter, and documents name the path that most engines
 * have.
 */
export function metricsPlacesOf(
  endpoint: ScrapedEndpoint,
  addresses: MetricsAddresses,
  { named, known }: PossibleEngines,
): readonly MetricsPlace[] {
  const [likeliest, ...others] = named === undefined ? known : [named];
  const likely = likeliest === undefined ? [] : placesOf(likeliest, addresses);
  const [first = generalOf(addresses)] = likely;
  const pod = addresses.usesPodAnnotations ? endpoint.metrics : undefined;
  const all = [
    ...(pod === undefined ? [] : [merged(first, pod)]),
    ...likely,
    generalOf(addresses),
    ...others.flatMap((engine) => placesOf(engine, addresses)),
  ];
  const places = all.map((place) => ({ origin: originOf(endpoint, place), path: place.path }));
  return places.filter((place, index) => index === indexOf(places, place));
}

type Place = Pick<ScrapeAddress, "scheme" | "path" | "port">;

function placesOf(engine: EngineMapping, addresses: MetricsAddresses): readonly Place[] {
  const general = generalOf(addresses);
  const usual =
    engine.metricsPath === undefined ? [] : [merged(general, { path: engine.metricsPath })];
  const ordinary = addresses.isPathGiven ? [general, ...usual] : [...usual, general];
  const given = addresses.engineAddresses.find(({ name }) => name === engine.name);
  const [first = general] = ordinary;
  return given === undefined ? ordinary : [merged(first, given), ...ordinary];
}

function generalOf({ scheme, path, port }: MetricsAddresses): Place {
  return { scheme, path, port };
}

function merged(place: Place, { scheme, path, port }: MetricsAddress): Place {
  return { scheme: scheme ?? place.scheme, path: path ?? place.path, port: port ?? place.port };
}

function indexOf(places: readonly MetricsPlace[], { origin, path }: MetricsPlace): number {
  return places.findIndex((place) => place.origin === origin && place.path === path);
}
