import { Counter, type Registry } from "prom-client";

/** Fates of a request's line. */
const results = ["written", "dropped"] as const;

/** Counts of a recording. */
export class RecordingMetrics {
  readonly #requests: Counter<"result">;
  readonly #bytes: Counter;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#requests = new Counter({
      name: "pointsman_recorded_requests_total",
      help: "Requests whose line was written to the recording, or dropped because the file could not take it.",
      labelNames: ["result"],
      registers,
    });
    for (const result of results) this.#requests.inc({ result }, 0);
    this.#bytes = new Counter({
      name: "pointsman_recorded_bytes_total",
      help: "Bytes written to the recording.",
      registers,
    });
  }

  wrote(requests: number, bytes: number): void {
    this.#requests.inc({ result: "written" }, requests);
    this.#bytes.inc(bytes);
  }

  dropped(requests: number): void {
    if (requests > 0) this.#requests.inc({ result: "dropped" }, requests);
  }
}
