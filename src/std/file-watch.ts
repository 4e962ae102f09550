import { watch } from "node:fs";
import path from "node:path";
import type { Clock } from "./clock.ts";
import { fingerprintOf } from "./file-reading.ts";

/** Between polls: finds what the directory watch misses, on network mounts or behind symlinks. */
const pollMs = 2_000;
/** A file unchanged for this long has been written to its end, as far as one can tell. */
const settleMs = 50;
/** A busy directory may ring all the time for other files: look at ours 100 times a second at most. */
const breatherMs = 10;

export interface FileWatchDeps {
  readonly clock: Clock;
  readonly onChange: () => Promise<void>;
  /** The directory cannot be watched; changes are still found, by polling. */
  readonly onUnwatchable: (error: unknown) => void;
}

/**
 * Calls `onChange` once at the start and then after each change of the file at `filePath`, when
 * the file has not changed for 50 ms: rewritten, renamed over, vanished, or reached by a symlink
 * that now points elsewhere (as a mounted ConfigMap is updated).
 *
 * Calls never overlap. Resolves when `signal` has aborted and nothing is watched any more.
 */
export async function watchFile(
  filePath: string,
  deps: FileWatchDeps,
  signal: AbortSignal,
): Promise<void> {
  const { clock, onChange, onUnwatchable } = deps;
  // Aborted by an event of the directory, and replaced after each wait: no event is lost.
  let bell = new AbortController();
  const stopWatching = watchDirectory(path.dirname(filePath), () => bell.abort(), onUnwatchable);
  let known: string | undefined;
  try {
    while (!signal.aborted) {
      const present = await fingerprintOf(filePath);
      if (present === known) {
        await clock.sleep(pollMs, AbortSignal.any([signal, bell.signal]));
        // After a poll that found nothing there is no breather to take: it would wake us twice.
        const pauseMs = bell.signal.aborted ? breatherMs : 0;
        bell = new AbortController();
        await (pauseMs > 0 ? clock.sleep(pauseMs, signal) : undefined);
      } else if (await isSettled(present)) {
        known = present;
        await onChange();
      }
    }
  } finally {
    stopWatching();
  }

  async function isSettled(fingerprint: string): Promise<boolean> {
    await clock.sleep(settleMs, signal);
    return !signal.aborted && (await fingerprintOf(filePath)) === fingerprint;
  }
}

/**
 * The directory and not the file: a rename over the file replaces what a watch on it would see.
 */
function watchDirectory(
  directory: string,
  onEvent: () => void,
  onUnwatchable: (error: unknown) => void,
): () => void {
  try {
    const watcher = watch(directory, { persistent: false }, onEvent);
    watcher.on("error", onUnwatchable);
    return () => watcher.close();
  } catch (error) {
    onUnwatchable(error);
    return () => undefined;
  }
}
