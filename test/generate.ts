import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import path from "node:path";

/** Where the types of the ext_proc messages are kept. */
export const generatedFolder = "src/data-plane/ingress/ext-proc/generated";

/** Writes the types of `protos/` into `folder`, and nothing else into it. */
export function generateInto(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  const { status, stderr } = spawnSync(
    path.join("node_modules", ".bin", "proto-loader-gen-types"),
    [
      "envoy/service/ext_proc/v3/external_processor.proto",
      ...["--keepCase", "--longs=Number", "--oneofs", "--importFileExtension=.ts"],
      ...["--grpcLib=@grpc/grpc-js", `--outDir=${folder}`, "-I=protos"],
    ],
    { encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`proto-loader-gen-types failed:\n${stderr}`);
}

if (process.argv[1] !== undefined && import.meta.filename === path.resolve(process.argv[1])) {
  generateInto(generatedFolder);
}
