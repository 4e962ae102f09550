import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { start } from "#test/support/child.ts";
import { checkHealth } from "#test/support/health-client.ts";
import { buildImageRoot, type ImageRoot, imageSettings } from "#test/support/image-root.ts";

let image: ImageRoot | undefined;
beforeAll(() => {
  image = buildImageRoot();
});
afterAll(() => image?.remove());

// The programs of the root come first for what runs in there.
const env = { PATH: `/bin:${process.env["PATH"]}` };

function inside(...line: readonly string[]): { program: string; argv: readonly string[] } {
  const [program = "", ...argv] = image?.command(line) ?? [];
  return { program, argv };
}

function ran(...line: readonly string[]) {
  const { program, argv } = inside(...line);
  return spawnSync(program, argv, { encoding: "utf8", env });
}

/** Which of these places a file can be written in. */
const writable = `
  const { writeFileSync, readFileSync } = require("node:fs");
  const places = ["/", "/app", "/tmp", "/app/dist", "/var/tmp", "/run", process.cwd()];
  const written = places.filter((place) => {
    try { writeFileSync(place + "/file", ""); return true; } catch { return false; }
  });
  const rights = /CapEff:\\s+(\\w+)/.exec(readFileSync("/proc/self/status", "utf8"))[1];
  console.log(JSON.stringify({ written, rights, user: process.getuid() }));
`;

describe("the image", () => {
  it("has a user by number and /app/epp for its entry point", () => {
    expect(imageSettings().get("USER")).toMatch(/^\d+:\d+$/);
    expect(imageSettings().get("ENTRYPOINT")).toBe('["/app/epp"]');
  });

  it("is run here with no place to write to and no right", () => {
    expect(JSON.parse(ran("/bin/node", "-e", writable).stdout)).toEqual({
      written: [],
      rights: "0000000000000000",
      user: 65_532,
    });
  });

  it("answers --help", () => {
    const { stdout, stderr, status } = ran("/app/epp", "--help");
    expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
    expect(stdout).toMatch(/^ +serve +\S/m);
  });

  it("serves with what KServe passes, is alive, and ends in good order", async () => {
    const { program, argv } = inside(
      ...["/app/epp", "--bind-address", "127.0.0.1", "--metrics-port", "0"],
      ...["--grpc-port", "0", "--grpc-health-port", "0", "--zap-encoder", "json", "", "", "", ""],
      ...["--config-text", "apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\n"],
    );
    const picker = start(program, argv, env);
    try {
      const line = await picker.line(/"msg":"listening"/);
      const { health } = JSON.parse(line) as { health: number };
      expect(await checkHealth(health, "liveness")).toBe("SERVING");
      picker.signal("SIGTERM");
      expect(await picker.ended).toBe(0);
      expect(picker.output()).toContain('"msg":"stopped"');
    } finally {
      await picker.close();
    }
  });
});
