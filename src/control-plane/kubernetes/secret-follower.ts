import { z } from "zod";
import {
  secretKeyOf,
  type SecretRef,
  type SecretSource,
  type SecretValues,
} from "../../core/secrets.ts";
import { aborted } from "../../std/abort.ts";
import { Replaceable } from "../../std/replaceable.ts";
import type { KubeObject } from "./kube-api.ts";
import { type FollowedKind, Reflector, type ReflectorDeps } from "./reflector.ts";

interface SecretFollowerDeps extends ReflectorDeps {
  /** The namespace of Secrets that are named without one. */
  readonly namespace: string;
}

type Data = Readonly<Record<string, string>>;

interface Followed {
  readonly ref: SecretRef;
  readonly secret: Reflector<Data>;
}

const secretSchema = z.object({ data: z.record(z.string(), z.string()).nullish() });

/** Values of Secrets. Each is watched by its name alone, so that a Role can allow just these. */
export class SecretFollower implements SecretSource {
  readonly #deps: SecretFollowerDeps;
  readonly #running = new Replaceable();
  #followed: readonly Followed[] = [];

  constructor(deps: SecretFollowerDeps) {
    this.#deps = deps;
  }

  /** The followed Secrets, for people. */
  get follows(): readonly FollowedKind[] {
    return [...new Set(this.#followed.map(({ secret }) => secret))].map(({ status }) => status);
  }

  follow(refs: readonly SecretRef[], listener: (values: SecretValues) => void): void {
    const secrets = new Map<string, Reflector<Data>>();
    const tell = () => {
      if (secrets === current) listener(this.#values());
    };
    const current = secrets;
    this.#followed = refs.map((ref) => {
      const namespace = ref.namespace ?? this.#deps.namespace;
      const id = `${namespace}/${ref.name}`;
      const secret = secrets.get(id) ?? this.#reflectorOf(namespace, ref.name, tell);
      secrets.set(id, secret);
      return { ref, secret };
    });
    this.#running.replace(async (signal) => {
      await Promise.all([...secrets.values()].map((secret) => secret.run(signal)));
    });
  }

  /** Resolves when `signal` has aborted and nothing is followed any more. */
  async run(signal: AbortSignal): Promise<void> {
    await aborted(signal);
    await this.#running.stop();
  }

  #reflectorOf(namespace: string, name: string, onChange: () => void): Reflector<Data> {
    const path = `/api/v1/namespaces/${namespace}/secrets`;
    const what = `Secret ${namespace}/${name}`;
    const fieldSelector = `metadata.name=${name}`;
    return new Reflector({ what, path, fieldSelector, keep: dataOf, onChange }, this.#deps);
  }

  #values(): SecretValues {
    const values = new Map<string, string>();
    for (const { ref, secret } of this.#followed) {
      const [data] = secret.items.values();
      const encoded = data?.[ref.key];
      if (encoded === undefined) continue;
      values.set(secretKeyOf(ref), Buffer.from(encoded, "base64").toString("utf8"));
    }
    return values;
  }
}

function dataOf(object: KubeObject): Data | undefined {
  const parsed = secretSchema.safeParse(object);
  return parsed.success ? (parsed.data.data ?? {}) : undefined;
}
