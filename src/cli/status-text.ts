import type { PoolPage } from "../admin/pool-page.ts";
import { standingTextOf } from "../admin/standing-text.ts";
import { type Row, textTable as table } from "./text-table.ts";

/** The pool for a terminal: what it is, its endpoints, what is excluded and why, what is followed. */
export function statusText(page: PoolPage): string {
  const takers = page.endpoints.filter(({ takesRequests }) => takesRequests).length;
  const blind = page.endpoints.filter(
    ({ scrape, takesRequests }) => takesRequests && scrape.state === "failing",
  ).length;
  const readiness = page.notReady.length === 0 ? "ready" : `not ready: ${page.notReady.join("; ")}`;
  const sections = [
    `pool ${page.name}${page.source === null ? "" : `, ${page.source}`}: ${readiness}\n` +
      `${counted(page.endpoints.length, "endpoint")}, ${takers} taking requests, ` +
      `${page.excluded.length} excluded${blind === 0 ? "" : `, ${blind} without metrics`}\n`,
    table(
      [
        "ENDPOINT",
        "ADDRESS",
        "STATE",
        "ENGINE",
        "WAITING",
        "RUNNING",
        "KV",
        "IN FLIGHT",
        "SIGNALS",
      ],
      page.endpoints.map(endpointRow),
    ),
    table(
      ["EXCLUDED", "WHY"],
      page.excluded.map(({ namespace, name, reason, detail }) => [
        `${namespace}/${name}`,
        detail === undefined ? reason : `${reason} (${detail})`,
      ]),
    ),
    table(
      ["FOLLOWED", "STATE", "LAST WORD", "FAILURE"],
      page.follows.map(({ what, state, contactAgeMs, failure }) => [
        what,
        state,
        contactAgeMs === null ? "never" : `${ageOf(contactAgeMs)} ago`,
        failure ?? "-",
      ]),
    ),
  ];
  return sections.filter((section) => section !== "").join("\n");
}

function endpointRow(endpoint: PoolPage["endpoints"][number]): Row {
  const { reported } = endpoint;
  return [
    endpoint.id,
    endpoint.address,
    standingTextOf(endpoint),
    endpoint.engine ?? "-",
    numberOr(reported.waitingRequests),
    numberOr(reported.runningRequests),
    percentOr(reported.kvCacheUsedRatio),
    numberOr(endpoint.inFlightRequests ?? null),
    signalsOf(endpoint),
  ];
}

/** Age of the signals, and their problem if there is one. */
function signalsOf({ signalsAgeMs, scrape }: PoolPage["endpoints"][number]): string {
  const age = signalsAgeMs === null ? "never" : `${ageOf(signalsAgeMs)} old`;
  const missing = scrape.missing.map(({ signal }) => signal);
  if (scrape.failure !== null) return `${age}: ${scrape.failure.reason}`;
  return missing.length === 0 ? age : `${age}, without ${missing.join(", ")}`;
}

function numberOr(value: number | null): string {
  return value === null ? "-" : String(Math.round(value * 10) / 10);
}

function percentOr(ratio: number | null): string {
  return ratio === null ? "-" : `${Math.round(ratio * 100)} %`;
}

function ageOf(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return ms < 120_000 ? `${Math.round(ms / 1_000)} s` : `${Math.round(ms / 60_000)} min`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
