import {
  type KubeApi,
  KubeError,
  type KubeObject,
  type KubeQuery,
  type WatchEvent,
} from "../../src/control-plane/kubernetes/kube-api.ts";

/** A watch that a test feeds. */
export class FakeWatch implements AsyncIterable<WatchEvent> {
  readonly query: KubeQuery;
  readonly #queue: (WatchEvent | Error | "end")[] = [];
  #wake: (() => void) | undefined;

  constructor(query: KubeQuery, signal: AbortSignal) {
    this.query = query;
    signal.addEventListener("abort", () => this.end());
  }

  push(type: string, object: KubeObject): void {
    this.#put({ type, object });
  }

  /** The server ends the watch. */
  end(): void {
    this.#put("end");
  }

  /** The connection breaks. */
  fail(error: Error): void {
    this.#put(error);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<WatchEvent> {
    for (;;) {
      const next = this.#queue.shift();
      if (next === undefined) {
        // Waits for the test, which feeds one thing after another.
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      } else if (next === "end") return;
      else if (next instanceof Error) throw next;
      else yield next;
    }
  }

  #put(item: WatchEvent | Error | "end"): void {
    this.#queue.push(item);
    this.#wake?.();
  }
}

/** An API server whose lists a test sets and whose watches it feeds. Everything else is refused. */
export class FakeKubeApi implements KubeApi {
  /** What a list answers: objects, or an error. */
  items: readonly KubeObject[] | KubeError = [];
  resourceVersion = "1";
  /** Objects of one page. */
  pageObjects = Number.MAX_SAFE_INTEGER;
  /** What a watch is refused with, if it is. */
  watchError: KubeError | undefined;
  readonly lists: KubeQuery[] = [];
  readonly watches: FakeWatch[] = [];

  get(_: string, query: KubeQuery = {}): Promise<KubeObject> {
    this.lists.push(query);
    const { items } = this;
    if (items instanceof KubeError) return Promise.reject(items);
    const from = Number(query["continue"] ?? "0");
    const to = from + Math.min(this.pageObjects, Number(query["limit"] ?? "500"));
    const rest = to < items.length ? { continue: String(to) } : {};
    const metadata = { resourceVersion: this.resourceVersion, ...rest };
    return Promise.resolve({ items: items.slice(from, to), metadata });
  }

  watch(_: string, query: KubeQuery, signal: AbortSignal): Promise<AsyncIterable<WatchEvent>> {
    if (this.watchError !== undefined) return Promise.reject(this.watchError);
    const watch = new FakeWatch(query, signal);
    this.watches.push(watch);
    return Promise.resolve(watch);
  }

  create(): Promise<KubeObject> {
    return Promise.reject(new KubeError(405, "", "nothing is created here"));
  }

  replace(): Promise<KubeObject> {
    return Promise.reject(new KubeError(405, "", "nothing is replaced here"));
  }

  /** The watch that was begun last. */
  get lastWatch(): FakeWatch {
    const watch = this.watches.at(-1);
    if (watch === undefined) throw new Error("nothing is watched");
    return watch;
  }
}

/** An object with a name and a version; `value` is what a test looks at. */
export function anObject(name: string, resourceVersion: string, value = name): KubeObject {
  return { metadata: { namespace: "n", name, resourceVersion }, value };
}
