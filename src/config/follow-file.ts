import type { Clock } from "../std/clock.ts";
import { readTextFile } from "../std/file-reading.ts";
import { watchFile } from "../std/file-watch.ts";

export interface FollowDeps {
  readonly clock: Clock;
  readonly log: { warn(fields: object, message: string): void };
  readonly apply: (text: string, source: string) => Promise<unknown>;
  readonly refuse: (reason: string, source: string) => void;
}

/**
 * Applies a configuration file after each change: a rewrite, a rename over it, or a retargeted
 * symlink, which is how a kubelet updates a mounted ConfigMap. A missing or unreadable file is
 * refused like an invalid one. Resolves when `signal` has aborted.
 */
export async function followConfigFile(
  filePath: string,
  { clock, log, apply, refuse }: FollowDeps,
  signal: AbortSignal,
): Promise<void> {
  const onChange = async () => {
    const reading = await readTextFile(filePath);
    switch (reading.kind) {
      case "read":
        await apply(reading.text, filePath);
        return;
      case "unreadable":
        refuse(reading.mistake, filePath);
        return;
      case "vanished":
        refuse("the file does not exist", filePath);
    }
  };
  const onUnwatchable = (cause: unknown) => {
    log.warn({ path: filePath, err: cause }, "configuration watch failed; polling started");
  };
  await watchFile(filePath, { clock, onChange, onUnwatchable }, signal);
}
