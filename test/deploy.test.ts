import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { parseFlags } from "../src/cli/flags.ts";
import { gatewayFlags } from "../src/cli/gateway-flags.ts";
import { listenAddressOf } from "../src/cli/gateway.ts";
import { parseDurationMs } from "../src/std/quantities.ts";
import { imageSettings } from "#test/support/image-root.ts";
import { vllmFlagsIn, vllmMistakes } from "#test/support/vllm-flags.ts";

/** The flags of a command line of the gateway; throws unless they are all right. */
function gatewayFlagsOf(argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
  expect(argv[0]).toBe("gateway");
  const parsed = parseFlags(gatewayFlags, argv.slice(1), env);
  if (parsed.kind !== "parsed") throw new Error(JSON.stringify(parsed));
  expect(parsed.positionals).toEqual([]);
  expect(parsed.warnings).toEqual([]);
  return parsed.values;
}

describe("deploy/compose/compose.yaml", () => {
  const device = z.strictObject({
    driver: z.literal("nvidia"),
    device_ids: z.array(z.string().regex(/^\d+$/u)),
    capabilities: z.tuple([z.literal("gpu")]),
  });
  /** The part of the Compose specification that the file uses. */
  const service = z.strictObject({
    build: z.string().optional(),
    image: z.string(),
    command: z.array(z.string()),
    environment: z.record(z.string(), z.string()).optional(),
    ports: z.array(z.string().regex(/^127\.0\.0\.1:\d+:\d+$/u)).optional(),
    volumes: z.array(z.string().regex(/^[a-z]+:\/[\w./]+$/u)).optional(),
    read_only: z.boolean().optional(),
    cap_drop: z.array(z.string()).optional(),
    security_opt: z.array(z.string()).optional(),
    stop_grace_period: z.string().optional(),
    restart: z.enum(["no", "always", "on-failure", "unless-stopped"]),
    ipc: z.literal("host").optional(),
    deploy: z
      .strictObject({
        resources: z.strictObject({ reservations: z.strictObject({ devices: z.array(device) }) }),
      })
      .optional(),
  });
  const file = z.strictObject({
    name: z.string(),
    services: z.record(z.string(), service),
    volumes: z.record(z.string(), z.null()),
  });
  const text = readFileSync("deploy/compose/compose.yaml", "utf8");
  /** As Compose reads it without variables in the environment. */
  const interpolated = text.replaceAll(/\$\{\w+:-([^}]*)\}/gu, "$1");
  const { services, volumes } = file.parse(parse(interpolated, { merge: true }));
  const gateway = services["gateway"];
  if (gateway === undefined) throw new Error("the file has no gateway");
  const values = gatewayFlagsOf(gateway.command);
  const engines = Object.entries(services).filter(([name]) => name !== "gateway");

  it("has every variable with a default", () => {
    expect(interpolated).not.toContain("$");
  });

  it("starts the gateway with flags that it takes, on all addresses of its container", () => {
    expect(listenAddressOf(values.listen)).toEqual({ address: "0.0.0.0", port: 8_080 });
  });

  it("publishes the ports of the gateway, for this machine only", () => {
    const ports = [listenAddressOf(values.listen).port, values["metrics-port"]];
    expect(gateway.ports).toEqual(ports.map((port) => `127.0.0.1:${port}:${port}`));
  });

  it("names every engine and its port as an endpoint", () => {
    const addresses = engines.map(([name, { command }]) => {
      const port = command.find((flag) => flag.startsWith("--port="))?.slice("--port=".length);
      return `http://${name}:${port}`;
    });
    expect(values.endpoints).toEqual(addresses);
    expect(addresses).toHaveLength(2);
  });

  it("starts engines with flags that vLLM takes, each on a GPU of its own", () => {
    expect(engines.flatMap(([, { command }]) => vllmMistakes(command))).toEqual([]);
    const gpus = engines.flatMap(([, { deploy }]) =>
      deploy?.resources.reservations.devices.flatMap(({ device_ids: ids }) => ids),
    );
    expect(gpus).toEqual(["0", "1"]);
  });

  it("mounts volumes that it declares", () => {
    const mounted = engines.flatMap(([, engine]) => engine.volumes ?? []);
    expect(new Set(mounted.map((mount) => mount.split(":", 1)[0]))).toEqual(
      new Set(Object.keys(volumes)),
    );
  });

  it("waits longer for the gateway than its drain takes", () => {
    const graceMs = parseDurationMs(gateway.stop_grace_period ?? "") ?? 0;
    expect(graceMs).toBeGreaterThan(values["drain-timeout"]);
  });

  it("builds the image of the Dockerfile, whose health check fits", () => {
    expect(readdirSync(path.join("deploy/compose", gateway.build ?? ""))).toContain("Dockerfile");
    expect(imageSettings().get("ENTRYPOINT")).toBe('["/app/epp"]');
    // The check of the image asks this port.
    expect(values["metrics-port"]).toBe(9_090);
  });
});

/** The settings of a unit or an environment file, in their order. */
function settingsIn(file: string): readonly (readonly [string, string])[] {
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.flatMap((line) => {
    const [, name, value] = /^([A-Za-z_]+)=(.*)$/u.exec(line) ?? [];
    return name === undefined || value === undefined ? [] : [[name, value] as const];
  });
}

describe("deploy/systemd", () => {
  const unitFile = "deploy/systemd/pointsman.service";
  const unit = new Map(settingsIn(unitFile));
  const env = Object.fromEntries(settingsIn("deploy/systemd/gateway.env"));
  const [program = "", ...argv] = (unit.get("ExecStart") ?? "").split(" ");
  const values = gatewayFlagsOf(argv, env);

  it("starts the program where the page installs it, with flags and variables that it takes", () => {
    expect(program).toBe("/usr/local/bin/pointsman");
    expect(values.endpoints).toEqual(["http://127.0.0.1:8000", "http://127.0.0.1:8001"]);
    const flagsSet = Object.keys(env).map((name) =>
      name.replace("POINTSMAN_", "").toLowerCase().replaceAll("_", "-"),
    );
    expect(flagsSet.filter((name) => !Object.hasOwn(gatewayFlags, name))).toEqual([]);
    expect(unit.get("EnvironmentFile")).toBe("/etc/pointsman/gateway.env");
  });

  it("has variables in its comments that are flags too", () => {
    const texts =
      readFileSync(unitFile, "utf8") + readFileSync("deploy/systemd/gateway.env", "utf8");
    const named = [...texts.matchAll(/POINTSMAN_([A-Z_]+)=/gu)].map(([, name = ""]) => name);
    const unknown = named
      .map((name) => name.toLowerCase().replaceAll("_", "-"))
      .filter((name) => !Object.hasOwn(gatewayFlags, name));
    expect(named.length).toBeGreaterThan(2);
    expect(unknown).toEqual([]);
  });

  it("stops with the signal that drains, and waits longer than the drain", () => {
    expect(unit.get("KillSignal")).toBe("SIGTERM");
    const stopMs = Number(unit.get("TimeoutStopSec")) * 1_000;
    expect(stopMs).toBeGreaterThan(values["drain-timeout"]);
    expect(unit.has("ExecReload")).toBe(false);
  });

  it("does not wait for a notification, and lets V8 compile", () => {
    expect(unit.get("Type")).toBe("exec");
    expect(unit.has("MemoryDenyWriteExecute")).toBe(false);
  });

  it("allows as many files as the limits of connections need", () => {
    const engines = values.endpoints.length * values["endpoint-connections-max"];
    expect(Number(unit.get("LimitNOFILE"))).toBeGreaterThan(values["connections-max"] + engines);
  });
});

describe("the flags of vLLM", () => {
  it.each([
    ["vllm serve m --port 8000 --enable-prompt-tokens-details", []],
    ["vllm serve m --enable-prompt-token-details", ["--enable-prompt-token-details"]],
    ["vllm serve m --enable-lora --lora-modules a=/b", []],
  ])("of %s that do not exist: %j", (line, mistakes) => {
    expect(vllmMistakes(vllmFlagsIn(line))).toEqual(mistakes);
  });
});
