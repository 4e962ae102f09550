import { PrometheusTextParser } from "../exposition/prometheus-text.ts";
import type { BodyReader } from "../scrape-once.ts";
import { WantedFamilies } from "../exposition/wanted-families.ts";

const jsonBytesMax = 2 ** 20;
const gpuUtilization = "DCGM_FI_DEV_GPU_UTIL";

/** A reader of a body; returns undefined at the end if the body has no usable value. */
export type ProbeBody<T> = BodyReader<T | undefined>;

/** Ids of a list of models in OpenAI's form, `{"data":[{"id":"…"}]}`, up to 1 MiB. */
export class ModelListReader implements ProbeBody<readonly string[]> {
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  push(chunk: Buffer): boolean {
    this.#bytes += chunk.length;
    // The connection reuses the chunk.
    this.#chunks.push(Buffer.from(chunk));
    return this.#bytes <= jsonBytesMax;
  }

  finish(): readonly string[] | undefined {
    const text = Buffer.concat(this.#chunks.splice(0)).toString("utf8");
    this.#bytes = 0;
    try {
      const list: unknown = JSON.parse(text);
      return modelIdsIn(list);
    } catch {
      return undefined;
    }
  }
}

function modelIdsIn(list: unknown): readonly string[] | undefined {
  if (typeof list !== "object" || list === null || !("data" in list)) return undefined;
  const { data } = list;
  if (!Array.isArray(data)) return undefined;
  const ids = data.flatMap((model: unknown) => {
    const hasId = typeof model === "object" && model !== null && "id" in model;
    return hasId && typeof model.id === "string" ? [model.id] : [];
  });
  return [...new Set(ids)].toSorted();
}

/**
 * Utilization of the busiest GPU of an endpoint, 0 to 1. An exporter that serves a whole node names
 * the pod of each GPU in the label `pod`.
 */
export class GpuUtilizationReader implements ProbeBody<number> {
  readonly #pod: string;
  readonly #parser = new PrometheusTextParser(new WantedFamilies([gpuUtilization]));

  constructor(pod: string) {
    this.#pod = pod;
  }

  push(chunk: Buffer): boolean {
    return this.#parser.push(chunk);
  }

  finish(): number | undefined {
    const samples = this.#parser.finish().families.get(gpuUtilization) ?? [];
    const percents = samples
      .filter(({ labels }) => (labels["pod"] ?? this.#pod) === this.#pod)
      .map(({ value }) => value)
      .filter((value) => value >= 0 && value <= 100);
    return percents.length === 0 ? undefined : Math.max(...percents) / 100;
  }
}

/** A body that is received and ignored. */
export class IgnoringReader implements ProbeBody<true> {
  push(): boolean {
    return true;
  }

  finish(): true {
    return true;
  }
}
