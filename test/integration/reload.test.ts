import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Child, startPointsman } from "#test/support/child.ts";
import { ExtProcClient } from "#test/support/ext-proc-client.ts";
import { eventually } from "#test/support/wait.ts";

interface ConfigPage {
  readonly document: string;
  readonly refused: { readonly mistakes: readonly string[] } | null;
}

interface PoolPage {
  readonly endpoints: readonly { readonly id: string; readonly inFlightRequests: number }[];
}

interface DecisionsPage {
  readonly decisions: readonly {
    readonly candidates: readonly {
      readonly endpoint: string;
      readonly prefixMatchedBlocks: number;
    }[];
  }[];
}

let folder = "";
let child: Child | undefined;
let client: ExtProcClient | undefined;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "pointsman-reload-"));
  await writeFile(
    path.join(folder, "endpoints.yaml"),
    `endpoints:
- {name: a, address: 127.0.0.1, port: 1, labels: {side: a}}
- {name: b, address: 127.0.0.1, port: 2, labels: {side: b}}
`,
  );
});
afterEach(async () => {
  client?.close();
  await child?.close();
  child = undefined;
  await rm(folder, { recursive: true, force: true });
});

/**
 * A document under which every request goes to one side, for a model of that side's name: a decision
 * by parts of two documents would have the endpoint of one and the model of the other.
 */
const document = (side: string, version = 0) => `# version ${version}
apiVersion: pointsman.dev/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: prefix-cache-scorer
- {name: side-${side}, type: label-selector-filter, parameters: {matchLabels: {side: ${side}}}}
- {type: file-discovery, parameters: {path: ${JSON.stringify(path.join(folder, "endpoints.yaml"))}}}
schedulingProfiles:
- name: ${side}
  plugins: [{pluginRef: side-${side}}, {pluginRef: prefix-cache-scorer}]
modelRewrites: [{targets: [{modelRewrite: model-${side}}]}]
dataLayer: {discovery: {pluginRef: file-discovery}}
`;

const broken = (version: number) =>
  [
    `# version ${version}\nplugins: [`,
    document("a", version).replace("prefix-cache-scorer", "prefix-cache-scorre"),
    document("a", version).replace("side: a", "side: [a]"),
    `# version ${version}\n`,
  ][version % 4] ?? "";

/** Ways in which a file comes to hold another text. */
const forms = {
  "a rewrite": (file: string) => (text: string) => writeFile(file, text),
  "a rename over it": (file: string) => async (text: string) => {
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  },
  /** As a kubelet does it: the file is a link through `..data`, which is what changes. */
  "a ConfigMap's symlinks": (file: string) => {
    let version = 0;
    return async (text: string) => {
      version += 1;
      const mount = path.dirname(file);
      const target = `..version-${version}`;
      await mkdir(path.join(mount, target));
      await writeFile(path.join(mount, target, path.basename(file)), text);
      await symlink(target, path.join(mount, "..data-new"));
      await rename(path.join(mount, "..data-new"), path.join(mount, "..data"));
      if (version === 1) await symlink(path.join("..data", path.basename(file)), file);
    };
  },
} as const;

async function startWith(write: (text: string) => Promise<void>, file: string) {
  await write(document("a"));
  child = startPointsman([
    ...["serve", "--config-file", file, "--bind-address", "127.0.0.1", "--secure-serving=false"],
    ...["--grpc-port", "0", "--grpc-health-port", "0", "--metrics-port", "0"],
    // Nothing answers on the endpoints' ports, and nobody waits for it.
    ...["--refresh-metrics-interval", "10s"],
  ]);
  return child;
}

async function pageOf<T>(port: number, name: string): Promise<T> {
  const response = await fetch(`http://127.0.0.1:${port}/debug/${name}`);
  // These pages are JSON of our own.
  return (await response.json()) as T;
}

const body = JSON.stringify({ model: "m", prompt: "the same words again ".repeat(100) });

describe.each(Object.entries(forms))("a configuration file that changes by %s", (_, formOf) => {
  it("serves every request by one document or the other, through 50 changes, half of them broken", async () => {
    const mount = path.join(folder, "mount");
    await mkdir(mount);
    const file = path.join(mount, "config.yaml");
    const write = formOf(file);
    const picker = await startWith(write, file);
    const ports = JSON.parse(await picker.line(/"msg":"listening"/)) as {
      grpc: number;
      metrics: number;
    };
    client = new ExtProcClient(ports.grpc);
    const lasting = client.open({ body });
    expect((await lasting.picked).headers["x-gateway-destination-endpoint"]).toBe("127.0.0.1:1");

    const load = startLoad(ports.grpc);
    for (let version = 1; version <= 50; version += 1) {
      const isBroken = version % 2 === 0;
      const side = version % 4 === 1 ? "b" : "a";
      const text = isBroken ? broken(version) : document(side, version);
      await write(text);
      await eventually(`version ${version} is read`, async () => {
        const page = await pageOf<ConfigPage>(ports.metrics, "config");
        const isSeen = isBroken ? page.refused !== null : page.document === text;
        return isSeen ? true : undefined;
      });
    }
    const { answers, failures } = await load.stop();
    expect(failures).toEqual([]);
    const both = ["127.0.0.1:1 model-a", "127.0.0.1:2 model-b"];
    expect(Object.keys(answers).toSorted()).toEqual(both);

    const pool = await pageOf<PoolPage>(ports.metrics, "pool");
    expect(pool.endpoints.map(({ inFlightRequests }) => inFlightRequests)).toEqual([1, 0]);
    await lasting.finish();
    await client.run({ body });
    const { decisions } = await pageOf<DecisionsPage>(ports.metrics, "decisions?last=1");
    const known = decisions[0]?.candidates.map(({ prefixMatchedBlocks }) => prefixMatchedBlocks);
    // 2,100 bytes are 8 blocks of 256 and a rest. Both sides served it, each under its own model.
    expect(known?.toSorted((a, b) => b - a)).toEqual([9, 0]);

    const metrics = await (await fetch(`http://127.0.0.1:${ports.metrics}/metrics`)).text();
    expect(metrics).toMatch(/^pointsman_config_last_reload_success 0$/m);
    expect(metrics).toMatch(/^pointsman_config_reloads_total\{outcome="applied"\} 25$/m);
    expect(metrics).toMatch(/^pointsman_config_reloads_total\{outcome="refused"\} 25$/m);
    // The log comes through a pipe, behind a line of each request; what was logged last ends it.
    await picker.close();
    const refusals = picker.output().match(/configuration refused/g) ?? [];
    expect(refusals).toHaveLength(25);
  });
});

/** Offers 2,000 requests a second, for a minute at most, until it is stopped. */
function startLoad(port: number) {
  const clients = Array.from({ length: 4 }, () => new ExtProcClient(port));
  const answers: Record<string, number> = {};
  const failures: unknown[] = [];
  const underWay = new Set<Promise<void>>();
  const startMs = performance.now();
  let sent = 0;
  let isStopped = false;
  const sendDue = () => {
    const due = Math.min(Math.floor((performance.now() - startMs) * 2), 120_000);
    // What a busy machine is late with is not sent in one heap.
    for (let burst = 0; sent < due && burst < 50; burst += 1, sent += 1) {
      const run = one(clients[sent % clients.length]).finally(() => underWay.delete(run));
      underWay.add(run);
    }
    if (sent < due - 1_000) sent = due;
  };
  const one = async (target: ExtProcClient | undefined) => {
    try {
      const picked = await target?.run({ body });
      const model = /model-./.exec(picked?.body ?? "")?.[0] ?? "no model";
      const destination =
        picked?.headers["x-gateway-destination-endpoint"] ?? `refused with ${picked?.refused}`;
      const key = `${destination} ${model}`;
      answers[key] = (answers[key] ?? 0) + 1;
    } catch (cause) {
      failures.push(cause);
    }
  };
  const timer = setInterval(() => {
    if (!isStopped && underWay.size < 500) sendDue();
  }, 5);
  return {
    async stop() {
      isStopped = true;
      clearInterval(timer);
      await Promise.all(underWay);
      for (const each of clients) each.close();
      return { answers, failures };
    },
  };
}
