import { findEnvoy } from "../../src/demo/envoy-binary.ts";

/** The path of an Envoy to run, as the demo finds it; rejects with how to get one. */
export async function envoyPath(progress: (line: string) => void): Promise<string> {
  const binary = await findEnvoy(process.env, progress);
  if (binary.kind === "missing") throw new Error(`${binary.reason}; ${binary.advice}`);
  return binary.path;
}
