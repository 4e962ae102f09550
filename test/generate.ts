import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { blockChainFile, blockChainText } from "./generate/block-chain.ts";
import { chartFiles } from "./generate/chart-files.ts";
import { configurationPage } from "./generate/configuration-page.ts";
import { documentSchemaText } from "./generate/document-schema.ts";
import { besideDocuments } from "./generate/effective-documents.ts";
import { grafanaBoardFile, grafanaBoardText } from "./generate/grafana-board.ts";
import { headersPage } from "./generate/headers-page.ts";
import { knownValuesText } from "./generate/known-values.ts";
import { pluginsPage } from "./generate/plugins-page.ts";

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

const valuesSchema = "manifests/chart/pointsman/values.schema.json";

/** Path and text of every file that is made from the code, beside those types. */
export async function generatedTexts(): Promise<[path: string, text: string][]> {
  const configuration = "docs/configuration.md";
  return [
    ["docs/plugins.md", pluginsPage()],
    ["docs/headers.md", headersPage()],
    [configuration, configurationPage(readFileSync(configuration, "utf8"))],
    ["docs/endpoint-picker-config.schema.json", documentSchemaText()],
    ["manifests/chart/pointsman/known-values.json", knownValuesText(valuesSchema)],
    [grafanaBoardFile, grafanaBoardText()],
    ...chartFiles().map(([file, text]): [string, string] => [file, text]),
    [blockChainFile, await blockChainText()],
    ...besideDocuments(),
  ];
}

if (process.argv[1] !== undefined && import.meta.filename === path.resolve(process.argv[1])) {
  generateInto(generatedFolder);
  for (const [file, text] of await generatedTexts()) writeFileSync(file, text);
}
