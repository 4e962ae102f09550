import { setTimeout as wait } from "node:timers/promises";
import type { KubeClient, KubeObject, KubeRef } from "../kube/client.ts";

/** Milliseconds until a list is asked for again after a watch ended. */
const retryMs = 200;

interface Mirrored {
  readonly metadata: KubeObject["metadata"];
}

export interface MirrorOptions {
  readonly client: KubeClient;
  readonly ref: KubeRef;
  readonly onChange: () => void;
  readonly log: (line: string) => void;
}

/** All objects of a kind, as the API server has them. */
export class Mirror<T extends Mirrored> {
  readonly #options: MirrorOptions;
  #objects: Map<string, T> | undefined;

  /** `T` is what the API server's schema of the kind says, in the fields that are read. */
  constructor(options: MirrorOptions) {
    this.#options = options;
  }

  /** Whether the kind has been listed. */
  get isFilled(): boolean {
    return this.#objects !== undefined;
  }

  items(): readonly T[] {
    return [...(this.#objects?.values() ?? [])];
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#follow(signal).catch((cause: unknown) => {
        if (!signal.aborted) this.#options.log(`${this.#options.ref.kind}: ${String(cause)}`);
      });
      await wait(retryMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { client, ref, onChange } = this.#options;
    const { metadata, items } = await client.list(ref);
    const objects = new Map(items.map((item) => [keyOf(item), item as unknown as T]));
    this.#objects = objects;
    onChange();
    for await (const { type, object } of client.watch(ref, metadata.resourceVersion, signal)) {
      if (type === "ERROR") return;
      if (type === "DELETED") objects.delete(keyOf(object));
      // An object of the kind that T stands for, as in the list.
      else objects.set(keyOf(object), object as unknown as T);
      onChange();
    }
  }
}

export function keyOf({ metadata: { namespace = "", name } }: Mirrored): string {
  return `${namespace}/${name}`;
}
