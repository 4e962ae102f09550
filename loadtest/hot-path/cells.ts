/** How requests arrive. */
export type Arrivals =
  | { readonly kind: "closed" }
  | { readonly kind: "rate"; readonly perSecond: number }
  /** A share of the rate that a contestant reaches in a closed loop with the same requests. */
  | { readonly kind: "share"; readonly percent: number; readonly of: "reference" | "own" };

export type Security = "off" | "long" | "short";

/** One load on one pool. */
export interface Cell {
  readonly name: string;
  readonly endpoints: number;
  readonly streams: number;
  readonly connections: number;
  readonly bodyBytes: number;
  /** Events of a streamed answer; 0 for a whole one. */
  readonly chunks: number;
  /** TLS on connections that stay, or on one for each request. */
  readonly tls: Security;
  readonly arrivals: Arrivals;
  /** Bytes of a prompt that comes twice a second beside the load, on a connection of its own; 0 for none. */
  readonly besideBytes: number;
  /** Milliseconds between two reads of the contestant's `/metrics`; 0 for none. */
  readonly scrapeMs: number;
}

/** Bounds of what one cell may ask of a machine. */
const largest: Readonly<Record<string, number>> = {
  endpoints: 1_024,
  streams: 16_384,
  connections: 256,
  body: 32 * 1024 * 1024,
  chunks: 10_000,
  beside: 32 * 1024 * 1024,
  scrape: 60_000,
};
const rateMax = 50_000;
const percentMax = 1_000;

const basic: Cell = {
  name: "small",
  endpoints: 8,
  streams: 32,
  connections: 2,
  bodyBytes: 2_048,
  chunks: 0,
  tls: "off",
  arrivals: { kind: "closed" },
  besideBytes: 0,
  scrapeMs: 0,
};

/** Cells with a name, as changes to the first. */
const named: Readonly<Record<string, string>> = {
  small: "",
  one: "streams=1,connections=1",
  "small-500": "rate=500",
  "body-64k": "body=65536,rate=200",
  "body-1m": "body=1048576,rate=20",
  "pool-64": "endpoints=64",
  "pool-64-500": "endpoints=64,rate=500",
  "pool-256": "endpoints=256",
  "pool-256-200": "endpoints=256,rate=200",
  "pool-1024": "endpoints=1024",
  "pool-1024-200": "endpoints=1024,rate=200",
  chunks: "chunks=1000",
  tls: "tls=long",
  "tls-short": "tls=short,streams=8",
  "at-70": "rate=70%",
  "own-70": "rate=70%own",
  overload: "rate=200%own",
  "beside-20m": "rate=200,beside=20971520",
  scraped: "endpoints=256,rate=200,scrape=250",
};

export const cellNames = Object.keys(named);

/** `NAME`, `KEY=VALUE,...` or `NAME,KEY=VALUE,...`, where the values change the named cell. */
export function cellIn(text: string): Cell {
  const [first = "", ...rest] = text.split(",");
  const base = named[first];
  if (base === undefined && !first.includes("=")) {
    throw new Error(`--cell ${text}: ${first} is unknown; known are ${cellNames.join(", ")}`);
  }
  const changes = base === undefined ? text.split(",") : [...base.split(","), ...rest];
  let cell: Cell = { ...basic, name: text };
  for (const change of changes) if (change !== "") cell = changed(cell, change);
  return cell;
}

function changed(cell: Cell, change: string): Cell {
  const [key = "", value = ""] = change.split("=");
  if (key === "rate") return { ...cell, arrivals: arrivalsIn(value) };
  if (key === "tls") return { ...cell, tls: securityIn(value) };
  const max = largest[key];
  if (max === undefined) {
    const keys = [...Object.keys(largest), "rate", "tls"].join(", ");
    throw new Error(`--cell: ${key} is unknown; known are ${keys}`);
  }
  const number = numberIn(key, value, max);
  if (key === "body") return { ...cell, bodyBytes: number };
  if (key === "beside") return { ...cell, besideBytes: number };
  if (key === "scrape") return { ...cell, scrapeMs: number };
  return { ...cell, [key]: number };
}

function arrivalsIn(text: string): Arrivals {
  const [, percent, of] = /^([\d.]+)%(own)?$/.exec(text) ?? [];
  if (percent !== undefined) {
    const value = numberIn("rate", percent, percentMax);
    return { kind: "share", percent: value, of: of === undefined ? "reference" : "own" };
  }
  if (text === "0") return { kind: "closed" };
  return { kind: "rate", perSecond: numberIn("rate", text, rateMax) };
}

function securityIn(text: string): Security {
  if (text === "off" || text === "long" || text === "short") return text;
  throw new Error(`--cell: tls must be off, long or short, got ${JSON.stringify(text)}`);
}

function numberIn(key: string, text: string, max: number): number {
  const value = Number(text);
  if (text !== "" && value > 0 && value <= max) return value;
  throw new Error(
    `--cell: ${key} must be a number above 0, up to ${max}, got ${JSON.stringify(text)}`,
  );
}

/** Cells that one start of all contestants serves, in the order of their first ones. */
export function groupsOf(cells: readonly Cell[]): readonly (readonly Cell[])[] {
  const groups = new Map<string, Cell[]>();
  for (const cell of cells) {
    const key = `${cell.endpoints} ${cell.tls === "off"}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [cell]);
    else group.push(cell);
  }
  return [...groups.values()];
}
