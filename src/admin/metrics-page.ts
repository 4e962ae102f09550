import { type AdminPage, textPage } from "./admin-server.ts";

/** Readers of `/metrics` at the same time; each holds one chunk of a page. */
const readersMax = 8;

/** The metrics as a page in pieces. */
interface MetricsSource {
  readonly contentType: string;
  /** Pages that are being read. */
  readonly readers: number;
  chunks(options: { readonly hasOlderNames: boolean }): AsyncIterable<string>;
}

/** All metrics, written while they are read; with their older names if wanted. */
export function metricsPage(registry: MetricsSource, hasOlderNames: boolean): AdminPage {
  if (registry.readers >= readersMax) {
    return {
      ...textPage(503, `already serving ${registry.readers} other readers; try again later\n`),
      headers: { "retry-after": "1" },
    };
  }
  const body = registry.chunks({ hasOlderNames });
  return { httpStatus: 200, contentType: registry.contentType, body };
}
