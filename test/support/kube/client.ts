import { readFile } from "node:fs/promises";
import { Agent, type Dispatcher } from "undici";
import { parseAllDocuments } from "yaml";
import { eventually } from "../wait.ts";

/** Milliseconds; a server on a busy machine takes its time to serve dozens of new kinds. */
const establishedMsMax = 60_000;

/** An object of the Kubernetes API, as written or as read. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly resourceVersion?: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly status?: unknown;
  readonly [field: string]: unknown;
}

/** What names an object; without a name, all of its kind, and without a namespace, in all of them. */
export interface KubeRef {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata?: { readonly name?: string; readonly namespace?: string };
}

export interface KubeList {
  readonly metadata: { readonly resourceVersion: string };
  readonly items: readonly KubeObject[];
}

export interface WatchEvent {
  readonly type: string;
  /** An object, or the Status of an ERROR. */
  readonly object: KubeObject & { readonly code?: number };
}

/** An answer that is not one of the 2xx. */
class KubeError extends Error {
  readonly status: number;

  constructor(what: string, status: number, body: string) {
    super(`${what}: ${status} ${body.slice(0, 1_000)}`);
    this.status = status;
  }
}

interface Call {
  readonly method?: Dispatcher.HttpMethod;
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
}

interface ApplyOptions {
  /** Everything is checked and answered, nothing is kept; fields that nobody knows are refused. */
  readonly dryRun?: boolean;
}

/** A client of the API server for tests, over plain HTTPS. */
export class KubeClient {
  readonly #options: { readonly url: string; readonly token: string };
  readonly #agent: Agent;
  /** Resources by group and version, as the server lists them. */
  readonly #resources = new Map<string, readonly Resource[]>();

  constructor({ url, token, ca }: { url: string; token: string; ca: string }) {
    this.#options = { url, token };
    this.#agent = new Agent({ connect: { ca } });
  }

  async isReady(): Promise<boolean> {
    return (await this.#send({ path: "/readyz" })).statusCode === 200;
  }

  /** Makes the object as described, whether it is there or not; its status too where it has one. */
  async apply(object: KubeObject, { dryRun = false }: ApplyOptions = {}): Promise<KubeObject> {
    const where = await this.#path(object);
    const query = `?fieldManager=test&force=true${dryRun ? "&dryRun=All&fieldValidation=Strict" : ""}`;
    const contentType = "application/apply-patch+yaml";
    const { status, ...rest } = object;
    const call = { method: "PATCH" as const, contentType };
    const applied = await this.#object({ ...call, path: `${where}${query}`, body: rest });
    if (status === undefined || dryRun) return applied;
    const { apiVersion, kind, metadata } = object;
    return this.#object({
      ...call,
      path: `${where}/status${query}`,
      body: { apiVersion, kind, metadata, status },
    });
  }

  /** Applies the documents of a YAML file in their order. */
  async applyFile(file: string, options: ApplyOptions = {}): Promise<readonly KubeObject[]> {
    const applied: KubeObject[] = [];
    for (const object of await objectsIn(file)) applied.push(await this.apply(object, options));
    return applied;
  }

  /** Applies CustomResourceDefinitions and waits until the server serves what they define. */
  async applyCrds(files: readonly string[]): Promise<void> {
    const objects = (await Promise.all(files.map(objectsIn))).flat();
    await Promise.all(objects.map((object) => this.apply(object)));
    for (const object of objects.filter(({ kind }) => kind === "CustomResourceDefinition")) {
      const look = async () => (isEstablished(await this.get(object)) ? true : undefined);
      await eventually(`${object.metadata.name} is established`, look, establishedMsMax);
    }
  }

  async create(object: KubeObject): Promise<KubeObject> {
    const path = await this.#path({ ...object, metadata: withoutName(object) });
    return this.#object({ method: "POST", path, body: object });
  }

  /** Merges `change` into the object (RFC 7396), or into its status. */
  async patch(ref: KubeRef, change: object, subresource?: "status"): Promise<KubeObject> {
    const path = `${await this.#path(ref)}${subresource === undefined ? "" : `/${subresource}`}`;
    const contentType = "application/merge-patch+json";
    return this.#object({ method: "PATCH", path, contentType, body: change });
  }

  /** A pod on a node stays, with a deletionTimestamp, until a grace period of 0 is asked for. */
  async delete(ref: KubeRef, gracePeriodSeconds?: number): Promise<void> {
    const grace =
      gracePeriodSeconds === undefined ? "" : `?gracePeriodSeconds=${gracePeriodSeconds}`;
    await this.#text({ method: "DELETE", path: `${await this.#path(ref)}${grace}` });
  }

  async get(ref: KubeRef): Promise<KubeObject> {
    return this.#object({ path: await this.#path(ref) });
  }

  /** The object; undefined where there is none. */
  async find(ref: KubeRef): Promise<KubeObject | undefined> {
    try {
      return await this.get(ref);
    } catch (cause) {
      if (cause instanceof KubeError && cause.status === 404) return undefined;
      throw cause;
    }
  }

  /** `query` goes behind the path as it is: `labelSelector=app%3Da`. */
  async list(ref: KubeRef, query = ""): Promise<KubeList> {
    const path = `${await this.#path(ref)}${query === "" ? "" : `?${query}`}`;
    // The path is that of a collection, whose answer is a list.
    return JSON.parse(await this.#text({ path })) as KubeList;
  }

  /** Events after `resourceVersion`, until the signal aborts or the server ends the answer. */
  async *watch(
    ref: KubeRef,
    resourceVersion: string,
    signal?: AbortSignal,
  ): AsyncGenerator<WatchEvent> {
    const path = `${await this.#path(ref)}?watch=true&resourceVersion=${resourceVersion}`;
    const { statusCode, body } = await this.#send({
      path,
      ...(signal === undefined ? {} : { signal }),
    });
    if (statusCode !== 200) throw new KubeError(`watch ${path}`, statusCode, await body.text());
    let rest = "";
    for await (const chunk of body.setEncoding("utf8")) {
      const lines = `${rest}${String(chunk)}`.split("\n");
      rest = lines.pop() ?? "";
      // One event a line is the format of a watch.
      for (const line of lines) yield JSON.parse(line) as WatchEvent;
    }
  }

  /** A new token of a ServiceAccount, as a pod of it would have; for the API server without an audience. */
  async tokenOf(serviceAccount: KubeObject, audience?: string): Promise<string> {
    const audiences = audience === undefined ? {} : { audiences: [audience] };
    const answer = await this.#object({
      method: "POST",
      path: `${await this.#path(serviceAccount)}/token`,
      body: {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: { expirationSeconds: 3_600, ...audiences },
      },
    });
    // A TokenRequest that was answered with a 2xx has the token in its status.
    return (answer.status as { token: string }).token;
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #object(call: Call): Promise<KubeObject> {
    // An answer with a 2xx to a call on one object is that object.
    return JSON.parse(await this.#text(call)) as KubeObject;
  }

  async #text(call: Call): Promise<string> {
    const { statusCode, body } = await this.#send(call);
    const text = await body.text();
    if (statusCode >= 200 && statusCode < 300) return text;
    throw new KubeError(`${call.method ?? "GET"} ${call.path}`, statusCode, text);
  }

  #send({ method = "GET", path, body, contentType = "application/json", signal }: Call) {
    return this.#agent.request({
      origin: this.#options.url,
      path,
      method,
      headers: {
        authorization: `Bearer ${this.#options.token}`,
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": contentType }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async #path({ apiVersion, kind, metadata }: KubeRef): Promise<string> {
    const { name: plural, namespaced } = await this.#resource(apiVersion, kind);
    const inNamespace =
      namespaced && metadata?.namespace !== undefined ? `/namespaces/${metadata.namespace}` : "";
    const name = metadata?.name === undefined ? "" : `/${metadata.name}`;
    return `${rootOf(apiVersion)}${inNamespace}/${plural}${name}`;
  }

  /** A kind that was just defined takes a moment until it is listed. */
  async #resource(apiVersion: string, kind: string): Promise<Resource> {
    const known = () => this.#resources.get(apiVersion)?.find((each) => each.kind === kind);
    const look = async () => {
      const answer = await this.#send({ path: rootOf(apiVersion) });
      const text = await answer.body.text();
      if (answer.statusCode === 404) return undefined;
      if (answer.statusCode !== 200) throw new KubeError(apiVersion, answer.statusCode, text);
      // The path is that of a group and version, whose answer is an APIResourceList.
      const { resources } = JSON.parse(text) as { resources: readonly Resource[] };
      this.#resources.set(
        apiVersion,
        resources.filter(({ name }) => !name.includes("/")),
      );
      return known();
    };
    return (
      known() ??
      (await look()) ??
      eventually(`the API server serves ${kind} of ${apiVersion}`, look)
    );
  }
}

interface Resource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

function rootOf(apiVersion: string): string {
  return apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

function withoutName({ metadata: { namespace } }: KubeObject): { namespace?: string } {
  return namespace === undefined ? {} : { namespace };
}

async function objectsIn(file: string): Promise<readonly KubeObject[]> {
  const documents = parseAllDocuments(await readFile(file, "utf8"));
  // Manifests; the server refuses what is none.
  return documents.flatMap((document) => (document.toJS() ?? []) as KubeObject | []);
}

function isEstablished({ status }: KubeObject): boolean {
  // The status of a CustomResourceDefinition.
  const { conditions = [] } = (status ?? {}) as { conditions?: { type: string; status: string }[] };
  return conditions.some(({ type, status: value }) => type === "Established" && value === "True");
}
