import { afterAll, beforeAll } from "vitest";
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from "./control-plane.ts";

/** Milliseconds; the API server is built if the cache lacks it. */
const buildTimeoutMs = 3_600_000;

/** A control plane for all tests of the file that calls this; each test makes its own namespaces. */
export function controlPlaneOfFile(options: ControlPlaneOptions = {}): () => ControlPlane {
  let plane: ControlPlane | undefined;
  beforeAll(async () => {
    plane = await startControlPlane(options);
  }, buildTimeoutMs);
  afterAll(async () => {
    await plane?.close();
  });
  return () => {
    if (plane === undefined) throw new Error("the control plane runs while tests do");
    return plane;
  };
}
