import type { Build } from "../../gateway/build-config.ts";
import type { Finding, Report } from "./finding.ts";

/** Undefined if flow control is off. */
type FlowControl = Build["plan"]["flowControl"];

/** The result of reading a document. */
export type DocumentFacts =
  | { readonly kind: "invalid"; readonly file: string; readonly mistakes: readonly string[] }
  | {
      readonly kind: "read";
      readonly file: string;
      readonly warnings: readonly string[];
      readonly flowControl: FlowControl;
    };

/** Envoy's own limit for an answer of the picker, unless its configuration has another one. */
const messageTimeoutMs = 200;

/** The mistakes of a document, its warnings, and the limits that a gateway needs for it, unless one is examined too. */
export function judgeDocument(
  facts: DocumentFacts,
  { hasEnvoy }: { readonly hasEnvoy: boolean },
): Report {
  const { file } = facts;
  if (facts.kind === "invalid") {
    return {
      findings: facts.mistakes.map((what) => ({
        severity: "error",
        code: "document-mistake",
        subject: file,
        what,
        why: "a picker does not start with this document, and does not reload it.",
        change: "the part of the document that the text names.",
      })),
      notChecked: [],
    };
  }
  const warnings = facts.warnings.map((what): Finding => ({
    severity: "warning",
    code: "document-warning",
    subject: file,
    what,
    why: "a part of the document has no effect, or not the one that its words suggest.",
    change: "the part of the document that the text names.",
  }));
  if (hasEnvoy) return { findings: warnings, notChecked: [] };
  const waitMs = waitMsOf(facts);
  const wait = Number.isFinite(waitMs) ? `${waitMs / 1_000} s` : "any time";
  return {
    findings: warnings,
    notChecked: [
      ...(waitMs > messageTimeoutMs
        ? [
            `Envoy's message_timeout (${messageTimeoutMs} ms unless set): requests may wait ${wait} here, so it has to be longer`,
          ]
        : []),
      "Envoy's other limits: give --envoy with the URL of its admin port",
    ],
  };
}

/** Time that a request may wait for its turn; 0 without flow control. */
export function waitMsOf(facts: DocumentFacts): number {
  const flow = facts.kind === "read" ? facts.flowControl : undefined;
  if (flow === undefined) return 0;
  const bands = [...flow.bands, flow.otherBands, flow.otherNegativeBands];
  return Math.max(flow.noEndpointTtlMs, ...bands.map(({ ttlMs }) => ttlMs));
}
