/** One family as a page of metrics has it: its head, then its samples. */
export interface FamilyHead {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
}

/** The head of a family in the Prometheus text format. */
export function headText({ name, help, type }: FamilyHead): string {
  return `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n`;
}

/** `a="1",b="2"`, in the order of the properties. */
export function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value).replaceAll('"', String.raw`\"`)}"`)
    .join(",");
}

/** The line of one sample; `labels` may be empty. */
export function sampleText(name: string, labels: string, value: number): string {
  return labels === "" ? `${name} ${value}\n` : `${name}{${labels}} ${value}\n`;
}

/**
 * Writes the lines of one histogram, given its labels and where its numbers begin in `values`: the
 * count of each bucket by itself, that of the values above all bounds, and the sum.
 */
export type HistogramWriter = (labels: string, series: WrittenSeries) => string;

/** The numbers of one series. */
export interface WrittenSeries {
  readonly values: Float64Array;
  /** Place of the first one. */
  readonly offset: number;
  /** The end of the line of a bucket, by its place, such as an exemplar. */
  readonly endOf?: ((place: number) => string) | undefined;
}

export function histogramWriter(name: string, bounds: readonly number[]): HistogramWriter {
  const buckets = [...bounds.map(String), "+Inf"].map((bound) => `${name}_bucket{le="${bound}"`);
  return (labels, { values, offset, endOf }) => {
    const rest = labels === "" ? "} " : `,${labels}} `;
    let count = 0;
    let text = "";
    for (const [index, bucket] of buckets.entries()) {
      count += values[offset + index] ?? 0;
      text += `${bucket}${rest}${count}${endOf?.(offset + index) ?? ""}\n`;
    }
    const sum = values[offset + buckets.length] ?? 0;
    return (
      text + sampleText(`${name}_sum`, labels, sum) + sampleText(`${name}_count`, labels, count)
    );
  };
}

function escaped(text: string): string {
  return text.replaceAll("\\", String.raw`\\`).replaceAll("\n", String.raw`\n`);
}
