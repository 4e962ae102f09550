import { hostname } from "node:os";
import { describe, expect, it } from "vitest";
import type { ClusterSourceRef } from "../control-plane/cluster.ts";
import { electionOf } from "./election-option.ts";

const pool: ClusterSourceRef = { kind: "pool", group: "g", namespace: "models", name: "llama" };
const selected: ClusterSourceRef = {
  kind: "selector",
  namespace: "models",
  name: "epp",
  labelSelector: "app=vllm",
  targetPorts: [8000],
};

describe("the election of the flags", () => {
  it("is for the Lease of the pool, in its namespace", () => {
    expect(electionOf(pool, {})).toMatchObject({
      namespace: "models",
      name: "epp-models-llama.llm-d.ai",
    });
  });

  it("names each process once", () => {
    const [first, second] = [electionOf(pool, {}), electionOf(pool, {})];
    expect(first.identity.startsWith(`${hostname()}_`)).toBe(true);
    expect(first.identity).not.toBe(second.identity);
  });

  it("is refused where no flag names the pool", () => {
    expect(() => electionOf(undefined, {})).toThrow(
      /--pool-name, --service or --endpoint-selector/,
    );
  });

  it("is refused for selected pods where nothing tells their picker from others", () => {
    expect(() => electionOf(selected, {})).toThrow(/POD_NAME/);
    expect(electionOf(selected, { POD_NAME: "epp-6d5f7c9b8-x2x4z" }).name).toBe(
      "epp-models-epp.llm-d.ai",
    );
  });
});
