import type { HealthCheckSettings } from "../../../core/health-settings.ts";
import type { ClientTlsOptions } from "../../../std/client-tls.ts";
import type { SignalSettings } from "../../../core/signal-settings.ts";
import type { EngineMapping } from "./engines/mapping.ts";
import type { EngineChoice } from "./engines/engine-choice.ts";
import { withEngine } from "./engines/renamed-metrics.ts";
import type { ProbeSettings } from "./probes/probe-settings.ts";
import type { AccessOptions } from "./scrape-access.ts";
import type { ScraperOptions } from "./scraper.ts";
import { type ScrapeSource, usualMetricsPath } from "./source-plugin.ts";

/** Scrape settings of the command line; plain data. */
export interface ScrapeFlags {
  readonly scheme: "http" | "https";
  readonly path: string;
  /** Undefined for the port that the endpoint serves on. */
  readonly port: number | undefined;
  readonly insecureSkipVerify: boolean;
  /** Certificates of endpoints that are reached over TLS; undefined if no flags name them. */
  readonly engineTls?: ClientTlsOptions | undefined;
  readonly intervalMs: number;
  /** An engine with metrics that flags name. */
  readonly engine: EngineMapping | undefined;
}

/** Scrape settings of a document. */
export interface ScrapePlan {
  /** Undefined if only flags and defaults apply. */
  readonly source: ScrapeSource | undefined;
  readonly engines: EngineChoice | undefined;
  /** Further readings of endpoints, other than their metrics. */
  readonly probes: readonly ProbeSettings[];
  readonly healthCheck: HealthCheckSettings | undefined;
  readonly signals: SignalSettings;
}

/** llm-d-router clamps shorter intervals too: a scrape costs the engine as well. */
const intervalMsMin = 50;
/** Time limit of one scrape, headers and body. */
const timeoutMs = 1_000;
/** The longest pause after failures in a row. */
const backoffMsMax = 1_000;

/** Options of the scraper. The document takes precedence over the flags. */
export function scraperOptionsOf(plan: ScrapePlan, flags: ScrapeFlags): ScraperOptions {
  const { source, engines, probes, healthCheck, signals } = plan;
  const path = source?.path ?? flags.path;
  const access = accessOf(source, flags);
  return {
    scheme: source?.scheme ?? flags.scheme,
    path,
    // Charts also give the usual path, without the intent to change it.
    isPathGiven: path !== usualMetricsPath,
    port: source?.port ?? flags.port,
    engineAddresses: source?.engineAddresses ?? [],
    usesPodAnnotations: source?.usesPodAnnotations ?? true,
    ...access,
    secureAccess: { ...access, ...secureAccessOf(source, flags) },
    intervalMs: Math.max(intervalMsMin, source?.intervalMs ?? flags.intervalMs),
    calmIntervalMs: signals.calmIntervalMs,
    idleIntervalMs: signals.idleIntervalMs,
    cpuBudgetRatio: signals.cpuBudgetRatio,
    backoffMsMax,
    timeoutMs,
    engines: withEngine(engines, flags.engine),
    probes: healthCheck === undefined ? probes : [...probes, checkOf(healthCheck, source, flags)],
  };
}

function accessOf(source: ScrapeSource | undefined, flags: ScrapeFlags): AccessOptions {
  return {
    insecureSkipVerify: source?.insecureSkipVerify ?? flags.insecureSkipVerify,
    serverName: source?.serverName,
    caPath: source?.caPath,
    clientCertPath: source?.clientCertPath,
    clientKeyPath: source?.clientKeyPath,
    headers: source?.headers ?? [],
  };
}

/** An engine over TLS is trusted with scrapes as with requests, unless the document says otherwise. */
function secureAccessOf(
  source: ScrapeSource | undefined,
  { engineTls }: ScrapeFlags,
): Partial<AccessOptions> {
  const isGiven =
    source !== undefined &&
    [source.caPath, source.serverName, source.clientCertPath, source.insecureSkipVerify].some(
      (value) => value !== undefined,
    );
  return engineTls === undefined || isGiven ? {} : { ...engineTls, isOfFlags: true };
}

/** Active checks verify certificates if an authority is given, and send no token. */
function checkOf(
  settings: HealthCheckSettings,
  source: ScrapeSource | undefined,
  { scheme }: ScrapeFlags,
): ProbeSettings {
  const { caPath, serverName, clientCertPath, clientKeyPath } = source ?? {};
  const insecureSkipVerify = caPath === undefined || source?.insecureSkipVerify === true;
  const access: AccessOptions = {
    insecureSkipVerify,
    caPath,
    serverName,
    clientCertPath,
    clientKeyPath,
  };
  return { kind: "check", scheme, ...access, ...settings };
}
