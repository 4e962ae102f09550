import { isDeepStrictEqual } from "node:util";
import { parseApiKeys } from "../config/api-keys.ts";
import { followConfigFile } from "../config/follow-file.ts";
import type { ApiKey } from "../core/api-key.ts";
import type { ApiKeys } from "../data-plane/ingress/http/entry/api-keys.ts";
import type { Clock } from "../std/clock.ts";
import { firstFew } from "../std/first-few.ts";
import type { Logger } from "../telemetry/logger.ts";

/** Mistakes of a file that are logged. */
const mistakesShownMax = 10;

interface FollowDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly keys: ApiKeys;
  /** The keys in force, which were read at the start. */
  readonly first: readonly ApiKey[];
  /** Runs after each change, with true if its keys are in force. */
  readonly onRead: (isInForce: boolean) => void;
}

/** Puts the keys of a file in force after each change. A broken file leaves the old keys in force and is logged. */
export async function followApiKeys(
  filePath: string,
  { clock, log, keys, first, onRead }: FollowDeps,
  signal: AbortSignal,
): Promise<void> {
  let known = first;
  const refuse = (reason: string | readonly string[]) => {
    onRead(false);
    log.warn({ path: filePath, reason }, "API keys refused");
  };
  const apply = async (text: string) => {
    const parsed = parseApiKeys(text);
    if (parsed.kind === "invalid") return refuse(firstFew(parsed.mistakes, mistakesShownMax));
    onRead(true);
    if (isDeepStrictEqual(parsed.keys, known)) return;
    known = parsed.keys;
    keys.replace(known);
    log.info({ path: filePath, keys: keys.size }, "API keys reloaded");
  };
  await followConfigFile(filePath, { clock, log, apply, refuse }, signal);
}
