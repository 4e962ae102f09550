import { z } from "zod";
import type { KubeObject } from "../kubernetes/kube-api.ts";
import { EventRecorder } from "../kubernetes/event-recorder.ts";
import { type FollowedKind, Reflector, type ReflectorDeps } from "../kubernetes/reflector.ts";
import { firstFew } from "../../std/first-few.ts";

export interface ConfigMapRef {
  readonly namespace: string;
  readonly name: string;
  /** Undefined if the ConfigMap has only one key, or one of the usual names. */
  readonly key: string | undefined;
}

/** Outcome of a document. */
export type Verdict =
  | { readonly kind: "applied" | "unchanged" }
  | {
      readonly kind: "refused";
      readonly mistakes: readonly string[];
      /** True if another document was in force before, and stays so. */
      readonly hasPrevious: boolean;
    };

export interface ConfigMapDeps extends ReflectorDeps {
  /** Name of this process in events. */
  readonly instance: string;
  readonly apply: (text: string, source: string) => Promise<Verdict>;
  readonly refuse: (reason: string, source: string) => Verdict;
  /** Called when a document has been applied. */
  readonly onApplied: () => void;
}

/** Keys that charts use for the document; needed if a ConfigMap has more than one. */
const usualKeys = ["config.yaml", "default-plugins.yaml", "epp"] as const;
/** Mistakes of a document that its event names. */
const mistakesShownMax = 3;

interface ConfigMap {
  readonly uid: string;
  readonly data: Readonly<Record<string, string>>;
}

const configMapSchema = z.object({
  metadata: z.object({ uid: z.string() }),
  data: z.record(z.string(), z.string()).nullish(),
});

function configMapOf(object: KubeObject): ConfigMap | undefined {
  const parsed = configMapSchema.safeParse(object);
  if (!parsed.success) return undefined;
  return { uid: parsed.data.metadata.uid, data: parsed.data.data ?? {} };
}

/**
 * The configuration in a ConfigMap, applied whenever it changes. A mounted one would lag by up to a
 * minute, until the kubelet updates it. The outcome is written as an event on the ConfigMap.
 */
export class ConfigMapSource {
  readonly #ref: ConfigMapRef;
  readonly #name: string;
  readonly #deps: ConfigMapDeps;
  readonly #events: EventRecorder;
  readonly #configMaps: Reflector<ConfigMap>;
  /** Documents are applied one after another. */
  #work: Promise<void> = Promise.resolve();

  constructor(ref: ConfigMapRef, deps: ConfigMapDeps) {
    this.#ref = ref;
    this.#name = `ConfigMap ${ref.namespace}/${ref.name}`;
    this.#deps = deps;
    this.#events = new EventRecorder(deps.instance, deps);
    this.#configMaps = new Reflector(
      {
        what: this.#name,
        path: `/api/v1/namespaces/${ref.namespace}/configmaps`,
        fieldSelector: `metadata.name=${ref.name}`,
        keep: configMapOf,
        onChange: () => {
          this.#work = this.#work.then(() => this.#look());
        },
      },
      deps,
    );
  }

  /** Status of the watched ConfigMap, for people. */
  get status(): FollowedKind {
    return this.#configMaps.status;
  }

  /** Resolves when `signal` has aborted; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#configMaps.run(signal);
    await this.#work;
  }

  async #look(): Promise<void> {
    const { apply, refuse, onApplied } = this.#deps;
    if (this.#configMaps.state !== "synced") return;
    const [configMap] = this.#configMaps.items.values();
    if (configMap === undefined) {
      refuse("the ConfigMap does not exist", this.#name);
      return;
    }
    const key = keyOf(configMap, this.#ref.key);
    if (key.kind === "unclear") {
      await this.#tell(configMap, refuse(key.mistake, this.#name));
      return;
    }
    const verdict = await apply(configMap.data[key.name] ?? "", `${this.#name}/${key.name}`);
    if (verdict.kind !== "refused") onApplied();
    await this.#tell(configMap, verdict);
  }

  async #tell({ uid }: ConfigMap, verdict: Verdict): Promise<void> {
    const { namespace, name } = this.#ref;
    const subject = { apiVersion: "v1", kind: "ConfigMap", namespace, name, uid };
    switch (verdict.kind) {
      case "unchanged":
        return;
      case "applied":
        await this.#events.record(subject, {
          type: "Normal",
          reason: "ConfigurationApplied",
          message: "the configuration is in force",
        });
        return;
      case "refused":
        await this.#events.record(subject, {
          type: "Warning",
          reason: "ConfigurationRefused",
          message: `${
            verdict.hasPrevious
              ? "the previous configuration stays in force"
              : "no configuration is in force yet"
          }: ${firstFew(verdict.mistakes, mistakesShownMax).join("; ")}`,
        });
    }
  }
}

type ChosenKey =
  | { readonly kind: "chosen"; readonly name: string }
  | { readonly kind: "unclear"; readonly mistake: string };

function keyOf({ data }: ConfigMap, wanted: string | undefined): ChosenKey {
  const keys = Object.keys(data);
  if (wanted !== undefined) {
    if (keys.includes(wanted)) return { kind: "chosen", name: wanted };
    return {
      kind: "unclear",
      mistake: `it has no key ${wanted}; its keys are: ${keys.join(", ")}`,
    };
  }
  const [only] = keys;
  if (only === undefined) return { kind: "unclear", mistake: "it is empty" };
  if (keys.length === 1) return { kind: "chosen", name: only };
  const usual = usualKeys.find((name) => keys.includes(name));
  if (usual !== undefined) return { kind: "chosen", name: usual };
  const mistake = `it has the keys ${keys.join(", ")}: name one as --config-map NAMESPACE/NAME/KEY`;
  return { kind: "unclear", mistake };
}
