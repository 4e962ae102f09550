import { type Child, start } from "../child.ts";
import type { NetworkNamespace } from "../kube/network-namespace.ts";
import type { Probe } from "./kinds.ts";

/** Readiness probes, made from the node that pods are on. */
export class Probes {
  readonly #child: Child;
  readonly #url: string;

  private constructor(child: Child, url: string) {
    this.#child = child;
    this.#url = url;
  }

  static async start(node: NetworkNamespace): Promise<Probes> {
    const script = "test/support/conformance/probe-server.ts";
    const [program = "", ...argv] = node.command([process.execPath, script, node.address]);
    const child = start(program, argv);
    const line = await child.line(/^listening /);
    // The program's own words.
    const { port } = JSON.parse(line.replace("listening ", "")) as { port: number };
    return new Probes(child, `http://${node.address}:${port}`);
  }

  /** Whether the container at `address` is ready. One without a probe is, once it runs. */
  async isReady(address: string, { grpc, httpGet }: Probe = {}): Promise<boolean> {
    if (grpc !== undefined) {
      const { port, service = "" } = grpc;
      return this.#ask("grpc", { address, port: String(port), service });
    }
    if (httpGet === undefined) return true;
    const { port, path } = httpGet;
    return this.#ask("http", { address, port: String(port), path });
  }

  async close(): Promise<void> {
    await this.#child.close();
  }

  async #ask(kind: string, query: Readonly<Record<string, string>>): Promise<boolean> {
    const response = await fetch(`${this.#url}/${kind}?${new URLSearchParams(query).toString()}`);
    await response.arrayBuffer();
    return response.ok;
  }
}
