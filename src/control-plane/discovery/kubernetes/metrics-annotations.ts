import type { MetricsAddress } from "../../../core/endpoint.ts";

type Annotations = Readonly<Record<string, string>>;

/**
 * Address of a pod's metrics from the annotations that Prometheus configurations read by
 * convention; undefined if they name none.
 *
 * `prometheus.io/scrape: "false"` makes the other annotations void. The picker still scrapes such a
 * pod, at the address that it uses without annotations.
 */
export function metricsAddressOf(annotations: Annotations): MetricsAddress | undefined {
  if (valueIn(annotations, "scrape")?.toLowerCase() === "false") return undefined;
  const address = {
    ...schemeOf(valueIn(annotations, "scheme")?.toLowerCase()),
    ...pathOf(valueIn(annotations, "path")),
    ...portOf(valueIn(annotations, "port")),
  };
  return Object.keys(address).length === 0 ? undefined : address;
}

function valueIn(annotations: Annotations, name: string): string | undefined {
  const value = annotations[`prometheus.io/${name}`]?.trim();
  return value === "" ? undefined : value;
}

function schemeOf(scheme: string | undefined): Pick<MetricsAddress, "scheme"> {
  return scheme === "http" || scheme === "https" ? { scheme } : {};
}

function pathOf(text: string | undefined): Pick<MetricsAddress, "path"> {
  if (text === undefined) return {};
  const path = text.startsWith("/") ? text : `/${text}`;
  return /^[\x21-\x7e]+$/.test(path) ? { path } : {};
}

function portOf(text: string | undefined): Pick<MetricsAddress, "port"> {
  const port = /^\d{1,5}$/.test(text ?? "") ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? { port } : {};
}
