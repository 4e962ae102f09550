import { parseRecord, textOf } from "./json.ts";

/** Something that happened while the demo ran. */
export interface DemoEvent {
  /** Since the start of the load. */
  readonly seconds: number;
  readonly text: string;
}

/** Events kept: more than a terminal shows. */
const eventsMax = 100;

/** The latest events, oldest first. */
export class Events {
  readonly #latest: DemoEvent[] = [];

  get latest(): readonly DemoEvent[] {
    return this.#latest;
  }

  add(event: DemoEvent): void {
    this.#latest.push(event);
    if (this.#latest.length > eventsMax) this.#latest.shift();
  }
}

/** Reasons of ejections in words; others are shown as they are in the log. */
const reasons: Readonly<Record<string, string>> = {
  failures: "its answers fail",
  "failure-ratio": "its answers fail",
  broken: "its answers break off",
  refused: "it refuses connections",
  slow: "its first tokens take several times as long as usual",
  stalled: "it answers none of its requests",
};

/** The words for a line of a picker's log about the health of an endpoint; undefined for any other line. */
export function healthTextOf(line: string): string | undefined {
  if (!line.includes('"msg":"endpoint ')) return undefined;
  const fields = parseRecord(line);
  const endpoint = textOf(fields?.["endpoint"]);
  if (endpoint === undefined) return undefined;
  const engine = endpoint.slice(endpoint.lastIndexOf("/") + 1);
  const reason = textOf(fields?.["reason"]) ?? "";
  if (fields?.["msg"] === "endpoint ejected")
    return `ejects ${engine}: ${reasons[reason] ?? reason}`;
  return fields?.["msg"] === "endpoint returned" ? `sends requests to ${engine} again` : undefined;
}
