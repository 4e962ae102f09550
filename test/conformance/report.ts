import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { ConformanceRig } from "../support/conformance/rig.ts";
import { say } from "../support/say.ts";

const help = `npm run conformance -- [--out FOLDER] [--log FILE] [-- FLAGS]

Runs the official conformance suite of the Gateway API Inference Extension, with its own timings, against a
cluster of Kubernetes' own programs, Envoy and this picker, on this machine. Needs root, for network namespaces.

  --out FOLDER   where the suite's report goes; default docs/conformance
  --log FILE     where what the suite and the cluster printed goes; default nowhere
  FLAGS          more flags of the suite: -run-test InferencePoolAccepted -debug
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: "string", default: "docs/conformance" },
    log: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

process.exitCode = values.help ? showHelp() : await report(values.out, values.log);

function showHelp(): number {
  process.stdout.write(help);
  return 0;
}

async function report(folder: string, logFile: string | undefined): Promise<number> {
  const rig = await ConformanceRig.start(say);
  process.once("SIGINT", () => void rig.close());
  try {
    const run = await rig.run(positionals, say);
    if (logFile !== undefined) await writeFile(logFile, `${run.output}\n${rig.log()}`);
    const { statistics } = run.report?.profiles[0]?.core ?? {};
    say(`the suite ended with ${run.exit}: ${JSON.stringify(statistics ?? "no report")}`);
    if (run.exit !== 0) return 1;
    const file = path.join(folder, "report.yaml");
    await mkdir(folder, { recursive: true });
    await writeFile(file, run.reportText);
    say(`the report is in ${file}`);
    return 0;
  } finally {
    await rig.close();
  }
}
