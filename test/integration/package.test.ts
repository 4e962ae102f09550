import { spawnSync } from "node:child_process";
import { createServer } from "node:http";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Child, start } from "#test/support/child.ts";
import { checkHealth } from "#test/support/health-client.ts";
import { findOldestNode, oldestNodeVersion } from "../components/oldest-node.ts";

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

/** Bytes that an installed package may take: less than a tenth of what its parts take if npm installs them. */
const installedBytesMax = 6_000_000;

/** Files of the package that the gateway may load: each costs time at the start. */
const gatewayFilesMax = 42;

let folder = "";
let packed: Packed | undefined;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "pointsman-package-"));
  const pack = npm(["pack", "--json", "--pack-destination", folder], ".");
  // The build may print before it.
  packed = (JSON.parse(pack.slice(pack.indexOf("[\n"))) as Packed[])[0];
  writeFileSync(path.join(folder, "package.json"), "{}");
  // Without a network, nothing but the tarball can be installed.
  npm(["install", "--offline", "--no-audit", "--no-fund", `./${packed?.filename}`], folder);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

function npm(argv: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync("npm", argv, { cwd, encoding: "utf8" });
  if (status !== 0) throw new Error(`npm ${argv.join(" ")}:\n${stdout}${stderr}`);
  return stdout;
}

const installed = () => path.join(folder, "node_modules", "pointsman");
const command = () => path.join(folder, "node_modules", ".bin", "pointsman");
const main = () => path.join(installed(), "dist", "main.js");

/** Every file below the installed package, with its path in there. */
function filesInstalled(): readonly string[] {
  return readdirSync(installed(), { recursive: true, encoding: "utf8" }).filter((name) =>
    statSync(path.join(installed(), name)).isFile(),
  );
}

describe("the package", () => {
  it("has the build, the protocols, the licences and the README, and nothing else", () => {
    const files = packed?.files.map((file) => file.path) ?? [];
    const expected =
      /^(?:LICENSE|README\.md|package\.json|protos\/(?:README\.md|.*\.proto)|dist\/(?:main|thread|ext-proc-thread|[\w.-]+-[\w-]{8})\.js|dist\/health\/v1\/health\.proto|dist\/ui\/[\w/-]+\.(?:html|css|js|svg)|dist\/licenses\.txt)$/u;
    expect(files.filter((file) => !expected.test(file))).toEqual([]);
    expect(files).toEqual(
      expect.arrayContaining([
        ...["LICENSE", "README.md", "dist/main.js", "dist/thread.js", "dist/ext-proc-thread.js"],
        ...[
          "dist/licenses.txt",
          "dist/ui/index.html",
          "dist/ui/main.js",
          "dist/ui/lit/lit-html.js",
        ],
        "protos/envoy/service/ext_proc/v3/external_processor.proto",
      ]),
    );
  });

  it("has no path of the machine that built it, and refers to no map", () => {
    const texts = filesInstalled().map((file) =>
      readFileSync(path.join(installed(), file), "utf8"),
    );
    expect(texts.filter((text) => text.includes(process.cwd()))).toEqual([]);
    expect(texts.filter((text) => text.includes("sourceMappingURL"))).toEqual([]);
  });

  it("has code in ASCII, which takes one byte of memory for each letter", () => {
    const chunks = filesInstalled().filter((file) => /^dist\/[^/]+\.js$/u.test(file));
    expect(chunks.length).toBeGreaterThan(10);
    const others = chunks.filter((file) =>
      readFileSync(path.join(installed(), file)).some((byte) => byte > 127),
    );
    expect(others).toEqual([]);
  });

  it("is installed without any other package, and is small", () => {
    const names = readdirSync(path.join(folder, "node_modules"));
    expect(names.filter((name) => !name.startsWith("."))).toEqual(["pointsman"]);
    const sizes = filesInstalled().map((file) => statSync(path.join(installed(), file)).size);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(installedBytesMax);
  });

  it("carries the licence of every package that its code comes from", () => {
    const chunks = filesInstalled().filter((file) => file.endsWith(".js"));
    const code = chunks
      .map((file) => readFileSync(path.join(installed(), file), "utf8"))
      .join("\n");
    // A comment of the bundler names the file that each part comes from.
    const part = /^\s*\/\/ node_modules\/(?:.*\/node_modules\/)?((?:@[^/\s]+\/)?[^/\s]+)/gmu;
    const names = new Set([...code.matchAll(part)].map(([, name = ""]) => name));
    expect(names).toContain("undici");
    const licences = readFileSync(path.join(installed(), "dist", "licenses.txt"), "utf8");
    const named = new Set(
      [...licences.matchAll(/^-{80}\n(\S+) \S+ \(/gmu)].map(([, name = ""]) => name),
    );
    expect([...names].filter((name) => !named.has(name))).toEqual([]);
    expect(named).toContain("lit-html");
    expect(licences).toContain("Permission is hereby granted");
  });

  it("loads few files for a gateway, and neither gRPC nor the client of Kubernetes", async () => {
    const hook = path.join(folder, "hook.mjs");
    writeFileSync(
      hook,
      `import { registerHooks } from "node:module";
registerHooks({ load(url, context, next) { if (url.startsWith("file:")) console.log("loaded " + url); return next(url, context); } });`,
    );
    const flags = ["--listen", "127.0.0.1:0", "--metrics-port", "0", "--endpoints", "127.0.0.1:9"];
    const gateway = opens(start(process.execPath, ["--import", hook, main(), "gateway", ...flags]));
    await gateway.line(/"msg":"listening"/);
    const loaded = [...gateway.output().matchAll(/^loaded file:\/\/(.*)$/gmu)];
    const files = new Set(loaded.map(([, file = ""]) => file));
    expect(files.size).toBeGreaterThan(5);
    expect(files.size).toBeLessThan(gatewayFilesMax);
    const texts = [...files].map((file) => readFileSync(file, "utf8"));
    const heavy = /^\s*\/\/ node_modules\/@(?:grpc|kubernetes)\/.*$/mu;
    expect(texts.flatMap((text) => heavy.exec(text)?.[0] ?? [])).toEqual([]);
    // Each would take a tenth of the start: Node's fetch, which an import of its HTTP module loads, and undici's.
    const fetches = /^import .* from "node:https?";|^\s*\/\/ node_modules\/undici\/index\.js.*$/mu;
    expect(texts.flatMap((text) => fetches.exec(text)?.[0] ?? [])).toEqual([]);
  });
});

function opens(child: Child): Child {
  opened.push(() => child.close());
  return child;
}

/** The folder with a Node.js of that name, for the path. */
async function nodeFolder(age: "newest" | "oldest"): Promise<string> {
  const node =
    age === "newest"
      ? process.execPath
      : await findOldestNode((line) => void process.stderr.write(`${line}\n`));
  const bin = path.join(folder, age);
  mkdirSync(bin, { recursive: true });
  if (!existsSync(path.join(bin, "node"))) symlinkSync(node, path.join(bin, "node"));
  return bin;
}

describe.each(["newest", "oldest"] as const)("npx pointsman with the %s Node.js", (age) => {
  const env = async () => ({ PATH: `${await nodeFolder(age)}:${process.env["PATH"]}` });

  async function ended(program: string, argv: readonly string[]) {
    const { stdout, stderr, status } = spawnSync(program, argv, {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, ...(await env()) },
    });
    return { stdout, stderr, status };
  }

  const npx = (...argv: readonly string[]) => ended("npx", ["--no-install", "pointsman", ...argv]);

  /** The installed command, as npx runs it, but so that signals reach it. */
  async function runs(...argv: readonly string[]): Promise<Child> {
    return opens(start(command(), argv, await env()));
  }

  it("is that Node.js", async () => {
    const bin = await nodeFolder(age);
    const { stdout } = spawnSync(path.join(bin, "node"), ["--version"], { encoding: "utf8" });
    expect(stdout.trim()).toBe(age === "newest" ? process.version : `v${oldestNodeVersion()}`);
  });

  it.each(["gateway", "serve", "sim", "demo", "check", "status"])(
    "has help on %s",
    async (name) => {
      const { stdout, stderr, status } = await ended(command(), [name, "--help"]);
      expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
      expect(stdout).toMatch(new RegExp(`^Usage: pointsman ${name} `));
    },
  );

  it("lists its commands", async () => {
    expect(await npx("--help")).toMatchObject({
      status: 0,
      stderr: "",
      stdout: expect.stringMatching(/^ {2}gateway .*\n {2}serve /m),
    });
  });

  it("has the version of the package", async () => {
    const { stdout } = await ended(command(), ["--version"]);
    expect(packed?.filename).toBe(`pointsman-${stdout.trim()}.tgz`);
  });

  it("check prints the default document", async () => {
    const { stdout, status } = await npx("check");
    expect(status).toBe(0);
    expect(stdout).toContain("kind: EndpointPickerConfig");
  });

  it("gateway serves simulated engines", async () => {
    const sim = await runs("sim", "--port", "0", "--admin-port", "0", "--engines", "1");
    const url = (await sim.line(/^engine-0 http/)).split(" ")[1] ?? "";
    const flags = ["--listen", "127.0.0.1:0", "--metrics-port", "0", "--endpoints", url];
    const gateway = await runs("gateway", ...flags);
    await gateway.line(/^endpoint .* vllm +models: sim-model$/);
    // Only the scraping thread, a file of its own in the package, finds out the engine.
    const listening = await gateway.line(/"msg":"listening"/);
    const { http, metrics } = JSON.parse(listening) as { http: number; metrics: number };
    const response = await fetch(`http://127.0.0.1:${http}/v1/chat/completions`, {
      method: "POST",
      body: '{"model":"sim-model","max_tokens":3,"messages":[{"role":"user","content":"hi"}]}',
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ object: "chat.completion" });
    // A file of the live page, and one of the package that it imports.
    for (const file of ["ui", "ui/main.js", "ui/lit/directives/repeat.js"]) {
      expect([file, (await fetch(`http://127.0.0.1:${metrics}/${file}`)).status]).toEqual([
        file,
        200,
      ]);
    }
  });

  it("serve listens with a certificate of its own, and is alive", async () => {
    const ports = ["--grpc-port", "0", "--grpc-health-port", "0", "--metrics-port", "0"];
    const serve = await runs("serve", "--bind-address", "127.0.0.1", ...ports);
    const { health } = JSON.parse(await serve.line(/"msg":"listening"/)) as { health: number };
    expect(await checkHealth(health, "liveness")).toBe("SERVING");
  });

  it("serve reads a kubeconfig whose token a program gives", async () => {
    const seen: (string | undefined)[] = [];
    const api = createServer((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(404).end("{}");
    });
    await new Promise<void>((resolve) => api.listen(0, "127.0.0.1", resolve));
    opened.push(() => api.close());
    const address = api.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const server = `http://127.0.0.1:${port}`;
    const credential = {
      ...{ apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential" },
      status: { token: "a-token" },
    };
    const exec = {
      ...{ apiVersion: credential.apiVersion, interactiveMode: "Never" },
      ...{ command: "echo", args: [JSON.stringify(credential)] },
    };
    const kubeconfig = path.join(folder, `kubeconfig-${age}`);
    writeFileSync(
      kubeconfig,
      JSON.stringify({
        ...{ apiVersion: "v1", kind: "Config", "current-context": "c" },
        clusters: [{ name: "c", cluster: { server, "insecure-skip-tls-verify": true } }],
        users: [{ name: "u", user: { exec } }],
        contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
      }),
    );
    const ports = ["--grpc-port", "0", "--grpc-health-port", "0", "--metrics-port", "0"];
    const pool = ["--pool-name", "p", "--pool-namespace", "n", "--kubeconfig", kubeconfig];
    const serve = await runs("serve", "--bind-address", "127.0.0.1", ...ports, ...pool);
    await serve.line(/"msg":"listening"/);
    await expect.poll(() => seen[0], { timeout: 30_000 }).toBe("Bearer a-token");
  });
});
