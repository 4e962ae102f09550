import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type ControlPlaneBinaries, findControlPlane } from "../../components/control-plane.ts";
import { type Child, start } from "../child.ts";
import { freePort } from "../free-port.ts";
import { eventually } from "../wait.ts";
import { KubeClient } from "./client.ts";
import { kubeconfigOf } from "./kubeconfig.ts";
import type { NetworkNamespace } from "./network-namespace.ts";
import { issueServerCertificate, type ServerCertificate, writeTokenKey } from "./pki.ts";
import { say } from "../say.ts";

export interface ControlPlaneOptions {
  /** Runs everything in there, at the address that the test reaches as well. */
  readonly namespace?: NetworkNamespace;
  /** More flags of kube-apiserver; `--watch-cache=false` makes each watch one of etcd. */
  readonly flags?: readonly string[];
}

/**
 * An API server with RBAC and an etcd of its own. No controller runs: namespaces stay in Terminating,
 * Services have the EndpointSlices that the test writes, and pods become Ready when it says so.
 */
export interface ControlPlane {
  readonly url: string;
  readonly adminToken: string;
  readonly caFile: string;
  /** The certificate that its own is verified by, in PEM. */
  readonly ca: string;
  /** As the admin. */
  readonly client: KubeClient;
  /** Process ids of etcd and of the API server that runs now. */
  readonly pids: () => readonly number[];
  /** What the API server printed since it was started last. */
  readonly log: () => string;
  clientFor(token: string): KubeClient;
  /** Writes a kubeconfig with this token and returns its path. */
  kubeconfigFor(token: string): Promise<string>;
  /** Kills it at once, as a crash does. */
  killApiServer(): Promise<void>;
  /** Starts it again, on its port and with its data, and waits until it is ready. */
  startApiServer(): Promise<void>;
  /**
   * Lets etcd forget every change made until now. What the API server keeps in its watch cache
   * outlives that, until it is started again; with `--watch-cache=false` there is none.
   */
  compactEtcd(): Promise<void>;
  close(): Promise<void>;
}

/** Milliseconds the API server gets to become ready, on a machine that is busy as well. */
const startTimeoutMs = 90_000;

export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const binaries = await findControlPlane(say);
  const folder = await mkdtemp(path.join(tmpdir(), "pointsman-kube-"));
  const plane = new LocalControlPlane(binaries, {
    folder,
    options,
    host: options.namespace?.address ?? "127.0.0.1",
    ports: await freePorts(),
    adminToken: randomBytes(16).toString("hex"),
    certificate: await issueServerCertificate(folder, [
      "127.0.0.1",
      ...(options.namespace === undefined ? [] : [options.namespace.address]),
    ]),
    tokenKeyFile: await writeTokenKey(folder),
  });
  try {
    await plane.startEtcd();
    await plane.startApiServer();
    return plane;
  } catch (cause) {
    await plane.close();
    throw cause;
  }
}

interface Parts {
  readonly folder: string;
  readonly options: ControlPlaneOptions;
  readonly host: string;
  readonly ports: { readonly api: number; readonly etcd: number; readonly etcdPeer: number };
  readonly adminToken: string;
  readonly certificate: ServerCertificate;
  readonly tokenKeyFile: string;
}

class LocalControlPlane implements ControlPlane {
  readonly url: string;
  readonly adminToken: string;
  readonly caFile: string;
  readonly ca: string;
  readonly client: KubeClient;
  readonly #binaries: ControlPlaneBinaries;
  readonly #parts: Parts;
  readonly #clients: KubeClient[] = [];
  #etcd: Child | undefined;
  #apiServer: Child | undefined;

  constructor(binaries: ControlPlaneBinaries, parts: Parts) {
    this.#binaries = binaries;
    this.#parts = parts;
    this.url = `https://${parts.host}:${parts.ports.api}`;
    this.adminToken = parts.adminToken;
    this.caFile = parts.certificate.caFile;
    this.ca = parts.certificate.ca;
    this.client = this.clientFor(parts.adminToken);
  }

  pids = () => [this.#etcd, this.#apiServer].flatMap((child) => child?.pid ?? []);

  log = () => this.#apiServer?.output() ?? "";

  clientFor(token: string): KubeClient {
    const client = new KubeClient({ url: this.url, token, ca: this.#parts.certificate.ca });
    this.#clients.push(client);
    return client;
  }

  async kubeconfigFor(token: string): Promise<string> {
    const file = path.join(this.#parts.folder, `kubeconfig-${randomBytes(6).toString("hex")}`);
    const { url, caFile } = this;
    await writeFile(file, kubeconfigOf({ url, caFile, token }), { mode: 0o600 });
    return file;
  }

  async startEtcd(): Promise<void> {
    const { folder, host, ports } = this.#parts;
    const peer = `http://${host}:${ports.etcdPeer}`;
    this.#etcd = this.#start(this.#binaries.etcd, [
      `--data-dir=${path.join(folder, "etcd")}`,
      ...["--log-level=warn", "--unsafe-no-fsync"],
      ...[`--listen-client-urls=${this.#etcdUrl}`, `--advertise-client-urls=${this.#etcdUrl}`],
      ...[`--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`],
      `--initial-cluster=default=${peer}`,
    ]);
    await this.#ready(this.#etcd, async () => (await fetch(`${this.#etcdUrl}/health`)).ok);
  }

  async startApiServer(): Promise<void> {
    const { folder, host, ports, certificate, tokenKeyFile, options } = this.#parts;
    const tokens = path.join(folder, "tokens.csv");
    await writeFile(tokens, `${this.adminToken},admin,admin,"system:masters"\n`, { mode: 0o600 });
    this.#apiServer = this.#start(this.#binaries.apiserver, [
      ...[`--etcd-servers=${this.#etcdUrl}`, "--authorization-mode=RBAC"],
      ...[`--bind-address=${host}`, `--secure-port=${ports.api}`, `--advertise-address=${host}`],
      ...["--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.96.0.0/16"],
      ...[`--tls-cert-file=${certificate.certFile}`],
      ...[`--tls-private-key-file=${certificate.keyFile}`, `--token-auth-file=${tokens}`],
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-key-file=${tokenKeyFile}`,
      `--service-account-signing-key-file=${tokenKeyFile}`,
      // It refuses pods until a controller has made the ServiceAccount "default".
      "--disable-admission-plugins=ServiceAccount",
      ...["--profiling=false", ...(options.flags ?? [])],
    ]);
    await this.#ready(this.#apiServer, () => this.client.isReady());
  }

  async killApiServer(): Promise<void> {
    this.#apiServer?.signal("SIGKILL");
    await this.#apiServer?.ended;
  }

  async compactEtcd(): Promise<void> {
    // A revision of its own: compaction keeps the event of the revision it names.
    const { header } = await this.#askEtcd("put", { key: Buffer.from("/test").toString("base64") });
    await this.#askEtcd("compaction", { revision: header.revision, physical: true });
  }

  async close(): Promise<void> {
    await this.#apiServer?.close();
    await this.#etcd?.close();
    await Promise.all(this.#clients.map((client) => client.close()));
    await rm(this.#parts.folder, { recursive: true, force: true });
  }

  get #etcdUrl(): string {
    return `http://${this.#parts.host}:${this.#parts.ports.etcd}`;
  }

  #start(program: string, argv: readonly string[]): Child {
    const inside = this.#parts.options.namespace?.command([program, ...argv]) ?? [program, ...argv];
    const [first = program, ...rest] = inside;
    return start(first, rest);
  }

  async #ready(child: Child, isReady: () => Promise<boolean>): Promise<void> {
    const died = child.ended.then((how) => {
      throw new Error(`ended with ${how} before it was ready:\n${child.output().slice(-4_000)}`);
    });
    const ready = eventually(
      "a control plane that is ready",
      async () => ((await isReady()) ? true : undefined),
      startTimeoutMs,
    ).catch((cause: unknown) => {
      throw new Error(`not ready:\n${child.output().slice(-4_000)}`, { cause });
    });
    await Promise.race([ready, died]);
  }

  /** etcd's API as JSON, which it serves beside gRPC. */
  async #askEtcd(what: string, body: object): Promise<{ header: { revision: string } }> {
    const response = await fetch(`${this.#etcdUrl}/v3/kv/${what}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`etcd answered ${what} with ${response.status}: ${text}`);
    // Every answer of etcd has this header.
    return JSON.parse(text) as { header: { revision: string } };
  }
}

async function freePorts(): Promise<Parts["ports"]> {
  const found = new Set<number>();
  while (found.size < 3) found.add(await freePort());
  const [api = 0, etcd = 0, etcdPeer = 0] = found;
  return { api, etcd, etcdPeer };
}
