import { spawn } from "node:child_process";

/** Waits for the end of its input, then ends what is left. */
const script = `trap '' TERM INT HUP; cat > /dev/null
ip netns list | cut -d ' ' -f 1 | while read -r name; do
  case "$name" in "$1" | "$1"-*)
    ip netns pids "$name" | xargs -r kill -9; ip netns delete "$name";;
  esac
done`;

/**
 * Once this process is gone, however it went, ends what still runs in the network namespace called
 * `name` and in those whose names go on with a dash, and deletes them. vitest kills the process of a
 * test file when it is ended itself, and then nothing can be tidied up from within.
 */
export function sweepAfterDeath(name: string): { close(): void } {
  const sweeper = spawn("sh", ["-c", script, "sh", name], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  sweeper.unref();
  return { close: () => void sweeper.stdin.end() };
}
