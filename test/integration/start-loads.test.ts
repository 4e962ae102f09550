import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const source = path.join(import.meta.dirname, "..", "..", "src");

/** Loads the ext_proc front and a transport, and prints the packages of gRPC that were read. */
const program = `
  import { createRequire } from "node:module";
  await import(process.argv[1] + "/gateway/ext-proc-front.ts");
  const { loadTransport } = await import(process.argv[1] + "/data-plane/ingress/ext-proc/load-transport.ts");
  await loadTransport(process.argv[2]);
  const files = Object.keys(createRequire(process.argv[1] + "/").cache).join(" ");
  const packages = ["@grpc/grpc-js", "@grpc/proto-loader", "grpc-health-check", "protobufjs"];
  console.log(JSON.stringify(packages.filter((name) => files.includes("/" + name + "/"))));
`;

async function packagesOf(transport: string): Promise<unknown> {
  const argv = ["--input-type=module", "-e", program, source, transport];
  const { stdout } = await promisify(execFile)(process.execPath, argv);
  return JSON.parse(stdout);
}

describe("packages of gRPC that are loaded", () => {
  it("are none on frames of our own, health port included", async () => {
    expect(await packagesOf("http2")).toEqual([]);
  });

  it("are all of them with --transport grpc-js", async () => {
    expect(await packagesOf("grpc-js")).toEqual([
      "@grpc/grpc-js",
      "@grpc/proto-loader",
      "grpc-health-check",
      "protobufjs",
    ]);
  });
});
