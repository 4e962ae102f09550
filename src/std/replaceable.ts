/** Runs until its signal aborts; resolves when everything it started has stopped. */
export type BackgroundPart = (signal: AbortSignal) => Promise<void>;

/** A background part that can be exchanged while it runs: the old one ends before the new begins. */
export class Replaceable {
  #stop: AbortController | undefined;
  #ended: Promise<void> = Promise.resolve();
  #isStopped = false;

  /** Ends what runs and runs `next` in its place; after `stop` it does nothing. */
  replace(next: BackgroundPart): void {
    if (this.#isStopped) return;
    this.#stop?.abort();
    const stop = new AbortController();
    this.#stop = stop;
    this.#ended = runAfter(this.#ended, next, stop.signal);
  }

  /** Resolves when nothing runs any more. Rejects with what a part rejected with. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#stop?.abort();
    await this.#ended;
  }
}

async function runAfter(
  previous: Promise<void>,
  part: BackgroundPart,
  signal: AbortSignal,
): Promise<void> {
  await previous;
  if (!signal.aborted) await part(signal);
}
