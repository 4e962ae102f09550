import { type AdminPage, textPage } from "./admin-server.ts";

/** Readers of `/metrics` at the same time; each holds one chunk of a page. */
const readersMax = 8;

/** The metrics as a page in pieces. */
interface MetricsSource {
  readonly contentType: string;
  /** Pages that are being read. */
  readonly readers: number;
  chunks(options: PageOptions): AsyncIterable<string>;
}

interface PageOptions {
  /** True for metrics under their older names too. */
  readonly hasOlderNames: boolean;
  /** True for OpenMetrics, with exemplars. */
  readonly isOpenMetrics: boolean;
}

interface AskedMetrics {
  readonly hasOlderNames: boolean;
  /** Content type of OpenMetrics if the scraper prefers that; undefined for the usual format. */
  readonly openMetricsType: string | undefined;
}

/** All metrics, written while they are read; with their older names if wanted. */
export function metricsPage(
  registry: MetricsSource,
  { hasOlderNames, openMetricsType }: AskedMetrics,
): AdminPage {
  if (registry.readers >= readersMax) {
    return {
      ...textPage(503, `already serving ${registry.readers} other readers; try again later\n`),
      headers: { "retry-after": "1" },
    };
  }
  const isOpenMetrics = openMetricsType !== undefined;
  const body = registry.chunks({ hasOlderNames, isOpenMetrics });
  return { httpStatus: 200, contentType: openMetricsType ?? registry.contentType, body };
}
