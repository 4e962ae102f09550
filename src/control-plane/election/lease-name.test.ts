import { expect, it } from "vitest";
import { leaseNameOf } from "./lease-name.ts";

it("the name of a Lease contains a namespace and a pool", () => {
  expect(leaseNameOf("models", "llama")).toBe("epp-models-llama.llm-d.ai");
});
