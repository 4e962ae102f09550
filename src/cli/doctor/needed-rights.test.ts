import { describe, expect, it } from "vitest";
import { flagsIn, neededRights } from "./needed-rights.ts";

/** The rights of a picker with these arguments besides those of its pool. */
function neededBy(...args: readonly string[]): string[] {
  const flags = flagsIn(args, "models");
  const pool = { group: "inference.networking.k8s.io", namespace: "models", name: "llama", flags };
  return neededRights(pool)
    .slice(4)
    .map(({ namespace = "all", resource, name = "", verbs, isRequired }) =>
      [namespace, resource, name, verbs, isRequired ? "needed" : "of use"].join(" "),
    );
}

const noAuth = "--metrics-endpoint-auth=false";

describe("the rights that a picker needs", () => {
  it("are those of its pool alone, if its flags ask for no more or are not known", () => {
    expect(neededBy("--pool-name=llama", noAuth)).toEqual([]);
    expect(neededBy()).toEqual([]);
  });

  it.each([["--ha-enable-leader-election"], ["-ha-enable-leader-election=true"]])(
    "include the Lease of an election by %s",
    (flag) => {
      expect(neededBy("serve", flag, noAuth)).toEqual([
        "models leases  create needed",
        "models leases epp-models-llama.llm-d.ai get,update needed",
        "models leases epp-models-llama.llm-d.ai list,watch of use",
      ]);
      expect(neededBy("--ha-enable-leader-election=false", noAuth)).toEqual([]);
    },
  );

  it.each([
    [["--config-map=$(NAMESPACE)/picker/a.yaml"], "models"],
    [["--config-map", "other/picker"], "other"],
  ])("include the ConfigMap of %j", (args, namespace) => {
    expect(neededBy(...args, noAuth)).toEqual([
      `${namespace} configmaps picker get,list,watch needed`,
    ]);
  });

  it("leave out a ConfigMap whose name is in an unknown variable", () => {
    expect(neededBy("--config-map=$(WHERE)/picker", noAuth)).toEqual([]);
  });

  it("include reviews of readers, unless these need no token", () => {
    expect(neededBy("--pool-name=llama")).toEqual([
      "all tokenreviews  create of use",
      "all subjectaccessreviews  create of use",
    ]);
  });
});
