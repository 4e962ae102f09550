import { readFileSync } from "node:fs";
import path from "node:path";
import { findGoBinary } from "./go.ts";

/** One Go module for each binary: they require different versions of what several use. */
export const modules = path.join(import.meta.dirname, "kubernetes");

/** A program of the Kubernetes release that its module requires. */
export function findKubernetesBinary(
  wanted: { readonly name: string; readonly variable: string; readonly takes: string },
  progress: (line: string) => void,
): Promise<string> {
  const { name, variable, takes } = wanted;
  const version = requiredVersion(name, "k8s.io/kubernetes");
  return findGoBinary(
    {
      name,
      version,
      variable,
      otherwise: `or set ${variable} to a ${name} ${version} binary`,
      takes,
      command: (folder) => ({
        argv: [
          ...["build", "-v", "-trimpath", "-buildvcs=false", `-ldflags=${stamp(version)}`],
          ...["-o", folder, "."],
        ],
        cwd: path.join(modules, name),
      }),
    },
    progress,
  );
}

/** The version of `module` that the Go module in `folder` requires. */
export function requiredVersion(folder: string, module: string): string {
  const words = readFileSync(path.join(modules, folder, "go.mod"), "utf8").split(/\s+/);
  const version = words[words.indexOf(module) + 1];
  if (version?.startsWith("v") !== true) throw new Error(`${folder}/go.mod lacks ${module}`);
  return version;
}

/** What the linker is told, so that the program names its release: a module carries no version of itself. */
function stamp(version: string): string {
  const [major = "", minor = ""] = version.slice(1).split(".");
  const variables = {
    gitVersion: version,
    gitMajor: major,
    gitMinor: minor,
    gitTreeState: "clean",
    buildDate: "1970-01-01T00:00:00Z",
  };
  const flags = Object.entries(variables).map(
    ([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`,
  );
  return `-s -w ${flags.join(" ")}`;
}
