import { isDeepStrictEqual } from "node:util";
import { familiesOf } from "../../src/control-plane/signals/scrape/engines/mapping.ts";
import { builtInEngines } from "../../src/control-plane/signals/scrape/engines/engine-choice.ts";
import {
  type ParsedExposition,
  PrometheusTextParser,
} from "../../src/control-plane/signals/scrape/exposition/prometheus-text.ts";
import { WantedFamilies } from "../../src/control-plane/signals/scrape/exposition/wanted-families.ts";
import { type Random, seededRandom } from "../../src/std/random.ts";
import { cutAtRandom } from "./cuts.ts";
import { ExpositionMutations } from "./exposition-mutations.ts";
import { familyOf, isCutLineOf, type PlainReading, readPlainly } from "./exposition-oracle.ts";
import type { GoldenExposition } from "./expositions.ts";

/** How one case went. */
interface FuzzOutcome {
  /** Of the mutated page. */
  readonly bytes: number;
  /** Families on the page with no line touched, with lines touched and read, and given up. */
  readonly untouched: number;
  readonly changed: number;
  readonly spoiled: number;
  /** What went wrong, and how to see it again. */
  readonly failure: string | undefined;
}

interface Compared {
  readonly wanted: readonly string[];
  readonly original: string;
  readonly mutated: string;
  readonly parsed: ParsedExposition;
  readonly plain: PlainReading;
}

/**
 * Case `index` of `seed`: a golden page is mutated, cut and parsed, and what the parser says is held against two things.
 * A family of whose lines none was touched has the samples of the page before the mutation; and all are what a second,
 * plain reader says.
 */
export function runFuzzCase(
  pages: readonly GoldenExposition[],
  seed: number,
  index: number,
): FuzzOutcome {
  const random = seededRandom(Math.imul(seed, 0x9e3779b1) + index);
  const golden = pages[Math.floor(random() * pages.length)];
  if (golden === undefined) throw new Error("there is no page to mutate");
  const wanted = wantedOf(golden.engine, random);
  const mutations = new ExpositionMutations(random, wanted);
  const page = golden.page.toString("latin1");
  const original = random() < 0.95 ? mutations.thinned(page) : page;
  const mutated = mutations.mutated(original);
  const bytes = Buffer.from(mutated, "latin1");
  const chunks = cutAtRandom(bytes, Math.floor(random() * 20), random);
  const failed = (what: string) =>
    `seed ${seed}, case ${index}, page ${golden.name}: ${what}\n${JSON.stringify(mutated)}`;
  const none = { bytes: bytes.length, untouched: 0, changed: 0, spoiled: 0 };
  try {
    const parsed = parse(chunks, wanted);
    const plain = readPlainly(mutated, wanted);
    const { wrong, ...counts } = compared({ wanted, original, mutated, parsed, plain });
    return { ...none, ...counts, failure: wrong === undefined ? undefined : failed(wrong) };
  } catch (cause) {
    return { ...none, failure: failed(`it threw ${String(cause)}`) };
  }
}

/** The families of the page's engine, or of all, as while the engine is looked for. */
function wantedOf(engine: string, random: Random): readonly string[] {
  const isSearch = random() < 0.5;
  const engines = builtInEngines.filter(({ name }) => isSearch || name === engine);
  return [...new Set(engines.flatMap(familiesOf))];
}

function parse(chunks: readonly Buffer[], wanted: readonly string[]): ParsedExposition {
  const parser = new PrometheusTextParser(new WantedFamilies(wanted));
  for (const chunk of chunks) parser.push(chunk);
  return parser.finish();
}

function compared({ wanted, original, mutated, parsed, plain }: Compared) {
  const before = parse([Buffer.from(original, "latin1")], wanted).families;
  const counts = { untouched: 0, changed: 0, spoiled: 0 };
  let wrong: string | undefined;
  for (const name of wanted) {
    const samples = parsed.families.get(name);
    const isUntouched = isDeepStrictEqual(linesOf(name, original), linesOf(name, mutated));
    if (isUntouched && samples !== undefined) counts.untouched += 1;
    else if (samples !== undefined) counts.changed += 1;
    else if (linesOf(name, mutated).length > 0) counts.spoiled += 1;
    if (isUntouched && !isDeepStrictEqual(samples, before.get(name))) {
      wrong ??= `${name} was not touched and reads ${JSON.stringify(samples)}`;
    }
    const expected = plain.families.get(name);
    if (!isDeepStrictEqual(samples, expected)) {
      wrong ??= `${name} reads ${JSON.stringify(samples)}, and plainly ${JSON.stringify(expected)}`;
    }
  }
  if (parsed.malformedLines !== plain.malformedLines) {
    wrong ??= `${parsed.malformedLines} malformed lines, and plainly ${plain.malformedLines}`;
  }
  return { ...counts, wrong };
}

/** The lines of a family, and a last one that was perhaps to become one. */
function linesOf(name: string, text: string): readonly string[] {
  const lines = text.split("\n");
  const cut = lines.pop() ?? "";
  const whole = lines.filter((line) => familyOf(line) === name);
  return isCutLineOf(name, cut) ? [...whole, `cut: ${cut}`] : whole;
}
