import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

const hint =
  "Chromium could not be had: install the Debian package chromium, or set CHROMIUM to a Chromium or Chrome binary";

const installed = "/usr/bin/chromium";

/** A Chromium to run: the one CHROMIUM names, or the one of Debian's package, which is installed if it is missing. */
export function findChromium(progress: (line: string) => void): Promise<string> {
  const named = process.env["CHROMIUM"];
  if (named !== undefined && named !== "") return Promise.resolve(named);
  if (existsSync(installed)) return Promise.resolve(installed);
  progress("installing the Debian package chromium");
  return new Promise((resolve) => {
    install();
    if (!existsSync(installed)) throw new Error(hint);
    resolve(installed);
  });
}

/** The package comes with two hundred others, so it is not unpacked by hand. Package lists may be missing or old. */
function install(): void {
  const argv = ["install", "--yes", "--quiet", "--no-install-recommends", "chromium"];
  if (apt(argv) === "") return;
  const failure = apt(["update", "--quiet"]) || apt(argv);
  if (failure !== "") throw new Error(`${hint}\n${failure}`);
}

/** Returns the reason of a failure; empty if there was none. */
function apt(argv: readonly string[]): string {
  const { status, stderr, error } = spawnSync("apt-get", argv, {
    encoding: "utf8",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  return status === 0 ? "" : `apt-get: ${error?.message ?? stderr}`;
}
