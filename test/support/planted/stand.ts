import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Finding } from "../../../src/cli/doctor/finding.ts";
import type { EngineSettings } from "../../../src/simulator/engine-settings.ts";
import { type Child, startPointsman } from "../child.ts";

/** Processes and files of one test. */
export class Stand {
  readonly folder: string;
  readonly #children: Child[] = [];
  readonly #closers: (() => unknown)[] = [];

  static async open(): Promise<Stand> {
    return new Stand(await mkdtemp(path.join(tmpdir(), "pointsman-planted-")));
  }

  private constructor(folder: string) {
    this.folder = folder;
  }

  started(...argv: readonly string[]): Child {
    const child = startPointsman(argv);
    this.#children.push(child);
    return child;
  }

  /** Runs when the test is over, before its processes end. */
  onClose(close: () => unknown): void {
    this.#closers.push(close);
  }

  async file(name: string, text: string): Promise<string> {
    const file = path.join(this.folder, name);
    await writeFile(file, text);
    return file;
  }

  /** `pointsman sim` with some engines. */
  async engines(count: number, ...flags: readonly string[]): Promise<Engines> {
    const child = this.started(
      ...["sim", "--engines", String(count), "--port", "0", "--admin-port", "0", ...flags],
    );
    const admin = (await child.line(/^admin /u)).slice("admin ".length);
    const urls = [...child.output().matchAll(/^engine-\d+ (http:\S+)$/gmu)].map(
      ([, url = ""]) => url,
    );
    return new Engines(urls, admin);
  }

  /** `pointsman gateway` over engines. */
  async gateway(engines: Engines, ...flags: readonly string[]): Promise<Gateway> {
    const child = this.started(
      ...["gateway", "--listen", "127.0.0.1:0", "--metrics-port", "0"],
      ...["--endpoints", engines.urls.join(), ...flags],
    );
    // The line is the gateway's own.
    const { http, metrics } = JSON.parse(await child.line(/"msg":"listening"/u)) as {
      readonly http: number;
      readonly metrics: number;
    };
    await child.line(/^try /mu);
    return { child, url: `http://127.0.0.1:${http}`, adminUrl: `http://127.0.0.1:${metrics}` };
  }

  /** Output of a command that ends, its exit code and the seconds that it took. */
  async command(...argv: readonly string[]): Promise<CommandEnd> {
    const startMs = performance.now();
    const child = this.started(...argv);
    const code = await child.ended;
    return { code, output: child.output(), seconds: (performance.now() - startMs) / 1_000 };
  }

  /** `pointsman doctor`: its findings by code. */
  async doctor(...argv: readonly string[]): Promise<CommandEnd & { findings: Finding[] }> {
    const end = await this.command("doctor", "--json", ...argv);
    // The command is our own.
    const report = JSON.parse(end.output) as { readonly findings: Finding[] };
    return { ...end, findings: report.findings };
  }

  async close(): Promise<void> {
    for (const close of this.#closers) close();
    await Promise.all(this.#children.map((child) => child.close()));
    await rm(this.folder, { recursive: true, force: true });
  }
}

export interface CommandEnd {
  readonly code: number | string;
  readonly output: string;
  readonly seconds: number;
}

export interface Gateway {
  readonly child: Child;
  readonly url: string;
  /** Of the metrics port. */
  readonly adminUrl: string;
}

export class Engines {
  readonly urls: readonly string[];
  readonly #adminUrl: string;

  constructor(urls: readonly string[], adminUrl: string) {
    this.urls = urls;
    this.#adminUrl = adminUrl;
  }

  /** `host:port` of each. */
  get hostPorts(): readonly string[] {
    return this.urls.map((url) => new URL(url).host);
  }

  /** Changes the settings of one engine while it runs. */
  async plant(index: number, settings: Partial<EngineSettings>): Promise<void> {
    const response = await fetch(`${this.#adminUrl}/engine-${index}`, {
      method: "PATCH",
      body: JSON.stringify(settings),
    });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    await response.arrayBuffer();
  }
}

export interface Chat {
  readonly content: string;
  readonly model?: string;
  readonly maxTokens?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Sends a streamed chat and reads its whole answer; resolves to its status. */
export async function chatTo(url: string, chat: Chat): Promise<number> {
  const { content, model = "sim-model", maxTokens = 2, headers = {}, signal } = chat;
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers,
    body: JSON.stringify({
      ...{ model, max_tokens: maxTokens, messages: [{ role: "user", content }] },
      ...{ stream: true, stream_options: { include_usage: true } },
    }),
    ...(signal === undefined ? {} : { signal }),
  });
  await response.arrayBuffer();
  return response.status;
}

/** Sends chats, `clients` at a time; all must succeed. */
export async function load(
  url: string,
  { chats, clients, chatOf }: { chats: number; clients: number; chatOf: (index: number) => Chat },
): Promise<void> {
  let next = 0;
  const client = async (): Promise<void> => {
    if (next >= chats) return undefined;
    const status = await chatTo(url, chatOf(next++));
    if (status !== 200) throw new Error(`status ${status}`);
    return client();
  };
  await Promise.all(Array.from({ length: clients }, client));
}

/** A prompt of about `tokens` tokens, whose first words are of this name. */
export function promptOf(name: string, tokens: number): string {
  return `${name}: ${"some words of a long prompt. ".repeat(Math.ceil(tokens / 7))}`;
}
