import { describe, expect, it } from "vitest";
import { clusterFlags, clusterSourceOf, configMapOf } from "./cluster-flags.ts";
import { UsageError } from "./command.ts";
import { parseFlags } from "./flags.ts";

function sourceOf(argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const parsed = parseFlags(clusterFlags, argv, {});
  if (parsed.kind !== "parsed") throw new Error("the flags are good");
  return clusterSourceOf(parsed.values, env);
}

describe("the flags that say what the pool is", () => {
  it("name nothing by themselves", () => {
    expect(sourceOf([])).toBeUndefined();
  });

  it("name a pool, in the namespace of the flag, of the environment, or the default one", () => {
    const pool = { kind: "pool", group: "inference.networking.k8s.io", name: "p" };
    const argv = ["--pool-name", "p"];
    expect(sourceOf(argv)).toEqual({ ...pool, namespace: "default" });
    expect(sourceOf(argv, { NAMESPACE: "own" })).toEqual({ ...pool, namespace: "own" });
    const both = sourceOf([...argv, "--pool-namespace", "n"], { NAMESPACE: "own" });
    expect(both).toEqual({ ...pool, namespace: "n" });
  });

  it("name a Service, with or without its port", () => {
    const service = { kind: "service", namespace: "default", name: "s" };
    expect(sourceOf(["--service", "s"])).toEqual({ ...service, port: undefined });
    expect(sourceOf(["--service=s:http"])).toEqual({ ...service, port: "http" });
  });

  it("name pods by their labels, and the pool after the picker's own Deployment", () => {
    const argv = [
      "--endpoint-selector",
      "app in (a,b)",
      "--endpoint-target-ports",
      "8000,8001,8000",
    ];
    expect(sourceOf(argv, { POD_NAME: "picker-epp-7d9c5b8f6d-x2x4z" })).toEqual({
      kind: "selector",
      namespace: "default",
      name: "picker-epp",
      labelSelector: "app in (a,b)",
      targetPorts: [8000, 8001],
    });
  });

  it.each([
    [["--pool-name=p", "--service=s"], /use only one of --pool-name, --service$/],
    [["--service=s:"], /want NAME or NAME:PORT/],
    [["--service=:80"], /want NAME or NAME:PORT/],
    [["--endpoint-selector=a"], /requires 1 to 8 ports in --endpoint-target-ports, got 0/],
    [["--endpoint-selector=a", "--endpoint-target-ports=1,2,3,4,5,6,7,8,9"], /got 9/],
    [["--endpoint-selector=a", "--endpoint-target-ports=80,http,0"], /invalid port http, 0/],
  ])("are refused as %j", (argv, message) => {
    expect(() => sourceOf(argv)).toThrow(message);
  });
});

describe("--config-map", () => {
  it("names a ConfigMap, perhaps with a key", () => {
    expect(configMapOf("")).toBeUndefined();
    expect(configMapOf("n/c")).toEqual({ namespace: "n", name: "c", key: undefined });
    expect(configMapOf("n/c/k.yaml")).toEqual({ namespace: "n", name: "c", key: "k.yaml" });
  });

  it.each(["c", "n/", "/c", "n/c/", "n/c/k/more"])("is refused as %s", (text) => {
    expect(() => configMapOf(text)).toThrow(UsageError);
  });
});
