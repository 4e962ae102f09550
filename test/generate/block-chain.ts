import { readFileSync } from "node:fs";
import createWabt from "wabt";

const folder = "src/data-plane/scheduling/producers/prefix-index";

/** The file that the WebAssembly source compiles to. */
export const blockChainFile = `${folder}/block-chain-wasm.ts`;

/** What that file has to hold. */
export async function blockChainText(): Promise<string> {
  const wabt = await createWabt();
  const source = `${folder}/block-chain.wat`;
  const module = wabt.parseWat(source, readFileSync(source, "utf8"));
  try {
    module.validate();
    const base64 = Buffer.from(module.toBinary({}).buffer).toString("base64");
    return `// Made of block-chain.wat by \`npm run generate\`.
export const blockChainWasm =
  "${base64}";
`;
  } finally {
    module.destroy();
  }
}
