import { type Child, start } from "../child.ts";
import { ExtProcClient, type OpenRequest } from "../ext-proc-client.ts";
import { checkHealth } from "../health-client.ts";
import type { ControlPlane } from "./control-plane.ts";
import type { NetworkNamespace } from "./network-namespace.ts";
import { asPod, type PodCommand } from "./pod-mount.ts";

/** `/debug/pool`, as far as tests look at it. */
export interface PoolPage {
  readonly source?: string;
  readonly problem: string | null;
  readonly excluded: readonly { readonly name: string; readonly reason: string }[];
  readonly endpoints: readonly {
    readonly id: string;
    readonly address: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly health: { readonly phase: string; readonly reason?: string };
  }[];
}

export interface PickerOptions {
  /** Undefined for a picker that finds its cluster as a pod does. */
  readonly kubeconfig?: string;
  readonly flags: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Runs it in there. */
  readonly namespace?: NetworkNamespace;
  /** Runs it as a pod of this account. */
  readonly pod?: Pick<Parameters<typeof asPod>[1], "token"> & { readonly plane: ControlPlane };
}

/** How a command runs where the options say. */
export function commandOf(
  { namespace, pod, env = {} }: Pick<PickerOptions, "namespace" | "pod" | "env">,
  line: readonly string[],
): PodCommand {
  if (namespace === undefined) return { line, env };
  if (pod === undefined) return { line: namespace.command(line), env };
  const command = asPod(pod.plane, { network: namespace, token: pod.token }, line);
  return { line: command.line, env: { ...command.env, ...env } };
}

/** A picker that follows a cluster. */
export class ClusterPicker {
  readonly child: Child;
  readonly ports: { readonly grpc: number; readonly health: number; readonly metrics: number };
  readonly #address: string;
  #client: ExtProcClient | undefined;

  private constructor(child: Child, address: string, ports: ClusterPicker["ports"]) {
    this.child = child;
    this.ports = ports;
    this.#address = address;
  }

  /** Resolves once it listens. */
  static async start(options: PickerOptions): Promise<ClusterPicker> {
    const address = options.namespace?.address ?? "127.0.0.1";
    const { line, env } = commandOf(options, [
      ...[process.execPath, "src/main.ts", "serve", "--bind-address", address],
      ...["--grpc-port", "0", "--grpc-health-port", "0", "--metrics-port", "0"],
      ...["--secure-serving=false", ...options.flags],
      ...(options.kubeconfig === undefined ? [] : ["--kubeconfig", options.kubeconfig]),
    ]);
    const [program = "", ...argv] = line;
    const child = start(program, argv, env);
    const listening = await child.line(/"msg":"listening"/);
    // The line is the picker's own.
    return new ClusterPicker(child, address, JSON.parse(listening) as ClusterPicker["ports"]);
  }

  async page(): Promise<PoolPage> {
    const response = await fetch(`http://${this.#address}:${this.ports.metrics}/debug/pool`);
    return (await response.json()) as PoolPage;
  }

  /** The endpoints that take requests, as `name:port`. */
  async takers(): Promise<readonly string[]> {
    const { endpoints } = await this.page();
    return endpoints
      .filter(({ health }) => health.phase !== "draining")
      .map(({ id, address }) => `${id.split("/")[1]}:${address.split(":").at(-1)}`)
      .toSorted();
  }

  /** Pods that get no requests, as `name reason`. */
  async excluded(): Promise<readonly string[]> {
    const { excluded } = await this.page();
    return excluded.map(({ name, reason }) => `${name} ${reason}`).toSorted();
  }

  async metrics(): Promise<string> {
    return (await fetch(`http://${this.#address}:${this.ports.metrics}/metrics`)).text();
  }

  health(name: string): Promise<string> {
    return checkHealth(this.ports.health, name, this.#address);
  }

  /** Where one request is sent to; the status where it is refused. */
  async pick(
    headers: Readonly<Record<string, string>> = {},
    body = '{"model":"m","prompt":"hello"}',
  ): Promise<{ readonly endpoint: string; readonly body: string } | number> {
    const picked = await this.#asked().run({ headers, body });
    if (picked.refused !== undefined) return picked.refused;
    const endpoint = picked.headers["x-gateway-destination-endpoint"] ?? "";
    return { endpoint, body: picked.body };
  }

  /** A request that stays under way until the test finishes it. */
  open(): OpenRequest {
    return this.#asked().open({ body: '{"model":"m","prompt":"hello"}' });
  }

  #asked(): ExtProcClient {
    this.#client ??= new ExtProcClient(this.ports.grpc, this.#address);
    return this.#client;
  }

  async close(): Promise<void> {
    this.#client?.close();
    await this.child.close();
  }
}
