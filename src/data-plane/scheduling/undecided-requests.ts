import { cut } from "../../core/client-values.ts";
import type { UndecidedRecord } from "../../core/decision-record.ts";
import type { RequestRecord } from "../../core/request-record.ts";

/** The last requests that ended before any decision about them: shed, refused while they waited, or given up by clients. */
export class UndecidedRequests {
  readonly #ring: (UndecidedRecord | undefined)[];
  #count = 0;

  constructor(requestsMax: number) {
    this.#ring = Array.from<UndecidedRecord | undefined>({ length: requestsMax }).fill(undefined);
  }

  add(ended: RequestRecord): void {
    const { head, request, refusal, stay, end, startedMs, endedMs } = ended;
    this.#ring[this.#count % this.#ring.length] = {
      requestId: cut(head.id),
      atMs: startedMs,
      endedAtMs: endedMs,
      api: request?.dialect,
      model: request && cut(request.model),
      priority: request?.priority,
      refusal: refusal?.code,
      refusalMessage: refusal && cut(refusal.message),
      stay,
      end,
    };
    this.#count += 1;
  }

  /** Newest first. */
  get all(): readonly UndecidedRecord[] {
    const { length } = this.#ring;
    const records: UndecidedRecord[] = [];
    for (let back = 1; back <= Math.min(length, this.#count); back += 1) {
      const record = this.#ring[(this.#count - back) % length];
      if (record !== undefined) records.push(record);
    }
    return records;
  }
}
