import type { IngressKind } from "./ingress.ts";
import { countOf, durationOf, minutesOf, percentOf } from "./text.ts";
import type { DemoView } from "./view.ts";

/** The view in one line, for output that is no terminal. */
export function plainLineOf(view: DemoView): string {
  const { total, recent, decisionTimes, engines } = view;
  const each = (cell: (engine: DemoView["engines"][number]) => number) =>
    engines.map(cell).join("/");
  return [
    minutesOf(view.elapsedSeconds),
    `${view.requestsPerSecond.toFixed(1)} requests/s`,
    countOf(total.requests, "request"),
    countOf(total.errors, "error"),
    `TTFT p50 ${durationOf(recent.ttft?.p50Ms)} p95 ${durationOf(recent.ttft?.p95Ms)}`,
    `hits ${percentOf(recent.hitRatio)}`,
    `${countOf(decisionTimes.decisions, "decision")} at ${durationOf(decisionTimes.meanMs)}`,
    `queue ${each(({ waitingRequests }) => waitingRequests)}`,
    `running ${each(({ runningRequests }) => runningRequests)}`,
    `KV ${each(({ kvUsedRatio }) => Math.round(kvUsedRatio * 100))} %`,
    `traffic ${each(({ trafficShare }) => Math.round(trafficShare * 100))} %`,
  ].join("  ");
}

const ingressNames: Readonly<Record<IngressKind, string>> = {
  envoy: "Envoy",
  http: "the HTTP gateway",
};

export interface DemoEnd {
  readonly ingress: IngressKind;
  readonly view: DemoView;
  readonly results: ReadonlyMap<string, number>;
  readonly requestsUnfinished: number;
  readonly requestsHeldBack: number;
}

/** Results of the whole run. */
export function summaryLinesOf(end: DemoEnd): readonly string[] {
  const { total, elapsedSeconds, decisionTimes, engines } = end.view;
  const rate = elapsedSeconds > 0 ? total.requests / elapsedSeconds : 0;
  const results = [...end.results].toSorted(([a], [b]) => a.localeCompare(b));
  const answered = engines.reduce((sum, { requests }) => sum + requests, 0);
  return [
    `Pointsman demo: ${elapsedSeconds.toFixed(1)} s of real requests through ${ingressNames[end.ingress]}`,
    summaryRow(
      "requests",
      `${total.requests}, ${countOf(total.errors, "error")}, ${rate.toFixed(1)}/s`,
    ),
    summaryRow(
      "answers",
      results.map(([result, count]) => `${result}: ${count}`).join(", ") || "none",
    ),
    ...(end.requestsUnfinished === 0
      ? []
      : [summaryRow("unfinished", `${end.requestsUnfinished}, cut short by the end of the demo`)]),
    ...(end.requestsHeldBack === 0
      ? []
      : [summaryRow("held back", `${end.requestsHeldBack}, because too many were in flight`)]),
    summaryRow(
      "TTFT",
      `p50 ${durationOf(total.ttft?.p50Ms)}, p95 ${durationOf(total.ttft?.p95Ms)}, ` +
        countOf(total.streams, "stream"),
    ),
    summaryRow("prefix hits", `${percentOf(total.hitRatio)} of prompt tokens`),
    summaryRow("decisions", `${decisionTimes.decisions}, ${durationOf(decisionTimes.meanMs)} each`),
    ...engines.map(({ name, requests }) =>
      summaryRow(
        name,
        `${countOf(requests, "request")}, ${percentOf(answered === 0 ? undefined : requests / answered)}`,
      ),
    ),
  ];
}

function summaryRow(title: string, text: string): string {
  return `  ${title.padEnd(12)}${text}`;
}
