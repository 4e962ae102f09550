import { firstFew } from "../../std/first-few.ts";
import type { EngineFacts } from "./engine-facts.ts";
import type { Finding } from "./finding.ts";

type Fact = Omit<Finding, "subject" | "what">;

/** A property in which engines of one pool should agree. */
interface Comparison extends Fact {
  readonly name: string;
  /** Undefined for an engine that does not tell. */
  readonly valueOf: (engine: EngineFacts) => string | undefined;
}

const fixed: readonly Comparison[] = [
  {
    severity: "warning",
    code: "block-size-differs",
    name: "block size in tokens",
    valueOf: ({ metrics }) =>
      metrics.kind === "read" ? metrics.signals.blockTokens?.toString() : undefined,
    why: "only whole blocks are cached, so equal prompts hit less with larger ones, and each size has a prefix index of its own.",
    change: "start all engines with the same --block-size (SGLang: --page-size).",
  },
  {
    severity: "warning",
    code: "lora-limit-differs",
    name: "number of adapters that fit",
    valueOf: ({ metrics }) =>
      metrics.kind === "read" ? metrics.signals.adapters?.adaptersMax.toString() : undefined,
    why: "engines with fewer places load adapters more often.",
    change: "start all engines with the same --max-loras.",
  },
  {
    severity: "warning",
    code: "engine-differs",
    name: "kind of engine",
    valueOf: ({ metrics }) => (metrics.kind === "read" ? metrics.engine : undefined),
    why: "engines of different kinds report and count differently.",
    change: "use one pool for each kind, unless the mixture is intended.",
  },
  {
    severity: "warning",
    code: "models-differ",
    name: "list of models and adapters",
    valueOf: ({ models }) =>
      models.kind === "listed"
        ? models.models
            .map(({ id }) => id)
            .toSorted()
            .join(", ")
        : undefined,
    why: "a request for a model that an engine does not have fails there, unless the document has a filter by model.",
    change: "start all engines with the same models and --lora-modules, or use one pool for each.",
  },
];

/** Each property of which engines have different values, once, with the engines of the rarer ones. */
export function comparisonsOf(engines: readonly EngineFacts[]): readonly Finding[] {
  return [...fixed, ...contextLengths(engines)].flatMap((comparison) =>
    differenceIn(engines, comparison),
  );
}

/** The context length of every model that more than one engine lists. */
function contextLengths(engines: readonly EngineFacts[]): readonly Comparison[] {
  const ids = new Set(
    engines.flatMap(({ models }) =>
      models.kind === "listed" ? models.models.map(({ id }) => id) : [],
    ),
  );
  return [...ids].map((id) => ({
    severity: "warning",
    code: "context-length-differs",
    name: `max_model_len of ${id}`,
    valueOf: ({ models }) =>
      models.kind === "listed"
        ? models.models.find((model) => model.id === id)?.contextTokensMax?.toString()
        : undefined,
    why: "a long prompt is answered by one engine and refused by another.",
    change: "start all engines with the same --max-model-len (SGLang: --context-length).",
  }));
}

function differenceIn(
  engines: readonly EngineFacts[],
  { name, valueOf, severity, code, why, change }: Comparison,
): readonly Finding[] {
  const byValue = new Map<string, string[]>();
  for (const engine of engines) {
    const value = valueOf(engine);
    if (value === undefined) continue;
    byValue.set(value, [...(byValue.get(value) ?? []), engine.endpoint]);
  }
  const [most, ...others] = [...byValue].toSorted(([, a], [, b]) => b.length - a.length);
  if (most === undefined) return [];
  const [usual, those] = most;
  return others.map(([value, endpoints]) => ({
    severity,
    code,
    subject: firstFew(endpoints).join(", "),
    what: `${name}: ${short(value)}; at ${firstFew(those).join(", ")}: ${short(usual)}`,
    why,
    change,
  }));
}

/** A long list of models would hide the finding. */
function short(value: string): string {
  const max = 160;
  if (value === "") return "none";
  return value.length > max ? `${value.slice(0, max)}…` : value;
}
