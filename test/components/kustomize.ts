import { findGoBinary } from "./go.ts";

/** The newest release that Go 1.26 builds. */
const version = "v5.7.1";

/** A kustomize to run: the one KUSTOMIZE names, or one built from the Go module proxy. */
export function findKustomize(progress: (line: string) => void): Promise<string> {
  return findGoBinary(
    {
      name: "kustomize",
      version,
      variable: "KUSTOMIZE",
      otherwise: "or set KUSTOMIZE to a kustomize binary of 5.3 or later",
      takes: "about a minute",
      command: (folder) => ({
        argv: ["install", "-v", "-trimpath", `sigs.k8s.io/kustomize/kustomize/v5@${version}`],
        env: { GOBIN: folder },
      }),
    },
    progress,
  );
}
