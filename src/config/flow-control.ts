import type { BandPlan, FlowControlPlan } from "../core/flow-control.ts";
import { durationMsOf, parseBytes } from "../std/quantities.ts";
import { ownOrderingType } from "./complete.ts";
import { ownApiVersion, type Sections } from "./document.ts";
import type { PluginTable } from "./plugin-table.ts";

type Section = NonNullable<Sections["flowControl"]>;
type BandEntry = NonNullable<Section["defaultPriorityBand"]>;

/** The peer's defaults. */
const defaults = {
  requestsMax: 5_000,
  bytesMax: 1e9,
  ttl: "60s",
  fairness: "global-strict-fairness-policy",
  ordering: "fcfs-ordering-policy",
  usageLimit: "static-usage-limit-policy",
} as const;

/** Settings of bands that name none. */
type General = Pick<BandPlan, "ttlMs" | "ordering">;

interface QueueGates {
  /** True if the gate is on. */
  readonly isOn: boolean;
  /** As `hasOwnQueue` says. */
  readonly hasOwn: boolean;
}

/** The queue's settings, complete; undefined if the gate is off. Notes mistakes, and settings that have no effect. */
export function flowControlOf(
  section: Sections["flowControl"],
  table: PluginTable,
  { isOn, hasOwn }: QueueGates,
): FlowControlPlan | undefined {
  const flow: Section = section ?? {};
  const usageLimit = flow.usageLimitPolicyPluginRef || defaults.usageLimit;
  table.referencedAs("usage-limit-policy", usageLimit, "flowControl.usageLimitPolicyPluginRef");
  const ttlMs = ttlMsOf(flow.defaultRequestTTL ?? defaults.ttl);
  const ordering = hasOwn ? ownOrderingType : defaults.ordering;
  const general = { ttlMs, ordering };
  const template = withDefaults(flow.defaultPriorityBand, general);
  const place = (name: string) => ({ table, path: `flowControl.${name}` });
  checkPolicies(flow.defaultPriorityBand, place("defaultPriorityBand"));
  checkPolicies(flow.defaultNegativePriorityBand, place("defaultNegativePriorityBand"));
  const bands = declaredBands(flow, { table, general });
  if (!isOn) {
    const isSet = Object.keys(flow).some((key) => key !== "saturationDetector");
    if (isSet) {
      table.warnings.push(
        "flowControl: without the gate flowControl only its saturationDetector counts",
      );
    }
    return undefined;
  }
  const plan: FlowControlPlan = {
    requestsMax: quantityOf(flow.maxRequests, Number.POSITIVE_INFINITY),
    bytesMax: quantityOf(flow.maxBytes, Number.POSITIVE_INFINITY),
    noEndpointTtlMs: ttlMsOf(flow.noEndpointRequestTTL ?? flow.defaultRequestTTL ?? defaults.ttl),
    bands: bands.some(({ priority }) => priority === 0)
      ? bands
      : [...bands, template].toSorted((a, b) => b.priority - a.priority),
    otherBands: template,
    otherNegativeBands:
      flow.defaultNegativePriorityBand == null
        ? template
        : withDefaults(flow.defaultNegativePriorityBand, general),
    usageLimit,
    evicts: flow.enableEviction === true,
  };
  table.warnings.push(...hiddenLimits(plan), ...closedBands(plan, table));
  return plan;
}

function declaredBands(
  flow: Section,
  { table, general }: { readonly table: PluginTable; readonly general: General },
): BandPlan[] {
  const bands = new Map<number, BandPlan>();
  for (const [index, entry] of (flow.priorityBands ?? []).entries()) {
    const path = `flowControl.priorityBands[${index}]`;
    checkPolicies(entry, { table, path });
    const { priority = 0 } = entry;
    if (bands.has(priority))
      table.mistakes.push(`${path}.priority: ${priority} has a band already`);
    const { guaranteedShare = 0 } = entry;
    if (entry.guaranteedShare !== undefined && table.apiVersion !== ownApiVersion) {
      table.mistakes.push(
        `${path}.guaranteedShare: only documents of apiVersion ${ownApiVersion} may have it`,
      );
    }
    bands.set(priority, { ...withDefaults(entry, general), priority, guaranteedShare });
  }
  const shares = [...bands.values()].reduce((sum, band) => sum + band.guaranteedShare, 0);
  // Sums of decimal fractions are not exact.
  if (shares > 1 + 1e-9) {
    table.mistakes.push(
      `flowControl.priorityBands: the guaranteed shares are ${Number(shares.toFixed(6))} together, want 1 at most`,
    );
  }
  return [...bands.values()].toSorted((a, b) => b.priority - a.priority);
}

function checkPolicies(
  band: BandEntry | null | undefined,
  { table, path }: { readonly table: PluginTable; readonly path: string },
): void {
  const { fairnessPolicyRef: fairness, orderingPolicyRef: ordering } = band ?? {};
  if (fairness !== undefined) {
    table.referencedAs("fairness-policy", fairness, `${path}.fairnessPolicyRef`);
  }
  if (ordering !== undefined) {
    table.referencedAs("ordering-policy", ordering, `${path}.orderingPolicyRef`);
  }
}

function withDefaults(band: BandEntry | null | undefined, general: General): BandPlan {
  const ttl = band?.defaultRequestTTL;
  return {
    priority: 0,
    requestsMax: quantityOf(band?.maxRequests, defaults.requestsMax),
    bytesMax: quantityOf(band?.maxBytes, defaults.bytesMax),
    ttlMs: ttl == null ? general.ttlMs : ttlMsOf(ttl),
    guaranteedShare: 0,
    fairness: band?.fairnessPolicyRef ?? defaults.fairness,
    ordering: band?.orderingPolicyRef ?? general.ordering,
  };
}

/** A limit; 0 stands for the default, as in llm-d-router. */
function quantityOf(quantity: number | string | null | undefined, byDefault: number): number {
  const value = typeof quantity === "string" ? parseBytes(quantity) : quantity;
  return value == null || value === 0 ? byDefault : value;
}

/** A maximum wait in milliseconds; 0 stands for no bound. */
function ttlMsOf(duration: string): number {
  return durationMsOf(duration) || Number.POSITIVE_INFINITY;
}

/** Limits that have no effect because another one is reached first. */
function hiddenLimits({ requestsMax, bytesMax, bands }: FlowControlPlan): string[] {
  const warnings: string[] = [];
  const sum = (limit: (band: BandPlan) => number) =>
    bands.reduce((total, band) => total + limit(band), 0);
  const note = (name: string, limit: number, ofBands: number) => {
    if (Number.isFinite(limit) && ofBands < limit) {
      warnings.push(
        `flowControl.${name}: ${limit} is not reached, because the bands of the document hold ${ofBands} together; bands hold 5000 requests and 1G unless they say otherwise`,
      );
    }
  };
  note(
    "maxRequests",
    requestsMax,
    sum((band) => band.requestsMax),
  );
  note(
    "maxBytes",
    bytesMax,
    sum((band) => band.bytesMax),
  );
  for (const band of bands) {
    if (band.requestsMax > requestsMax) {
      warnings.push(
        `flowControl.priorityBands: maxRequests ${band.requestsMax} of priority ${band.priority} is above flowControl.maxRequests, ${requestsMax}`,
      );
    }
    if (band.bytesMax > bytesMax && band.bytesMax !== defaults.bytesMax) {
      warnings.push(
        `flowControl.priorityBands: maxBytes ${band.bytesMax} of priority ${band.priority} is above flowControl.maxBytes, ${bytesMax}`,
      );
    }
  }
  return warnings;
}

/** Bands whose ceiling is 0, which saturation always reaches. */
function closedBands({ usageLimit }: FlowControlPlan, table: PluginTable): string[] {
  const { parameters } = table.plugins.get(usageLimit)?.loaded ?? {};
  const isObject = typeof parameters === "object" && parameters !== null;
  if (!isObject || !("minCeiling" in parameters) || parameters.minCeiling !== 0) return [];
  return [
    `${usageLimit}.minCeiling: with 0, requests of the lowest of several bands are never sent; take a number above 0, such as 0.01`,
  ];
}
