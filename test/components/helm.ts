import { spawnSync } from "node:child_process";
import { findGoBinary } from "./go.ts";

const version = "v3.22.0";

/** A Helm to run: the one HELM names, the installed one, or one that is built. */
export async function findHelm(progress: (line: string) => void): Promise<string> {
  const isNamed = (process.env["HELM"] ?? "") !== "";
  if (!isNamed && spawnSync("helm", ["version", "--short"]).status === 0) return "helm";
  return findGoBinary(
    {
      name: "helm",
      version,
      variable: "HELM",
      otherwise: "or install Helm 3, or set HELM to a helm binary",
      takes: "some two minutes",
      command: (folder) => ({
        argv: ["install", "-v", "-trimpath", `helm.sh/helm/v3/cmd/helm@${version}`],
        env: { GOBIN: folder },
      }),
    },
    progress,
  );
}
