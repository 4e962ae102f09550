import { isDeepStrictEqual } from "node:util";
import type { Plan } from "../../core/plan.ts";

const names = (uses: Iterable<{ readonly name: string }>) => [...uses].map(({ name }) => name);

/** Sections that have no part in the choice of an endpoint, as they are in force. */
const sections: Readonly<Record<string, (plan: Plan) => unknown>> = {
  featureGates: ({ featureGates }) => featureGates,
  flowControl: ({ flowControl, written }) => flowControl && written.flowControl,
  "requestHandler.parsers": ({ parsers }) => names(parsers),
  "dataLayer.sources": ({ sources }) =>
    sources.map(({ source, extractors }) => [source.name, names(extractors)]),
  "dataLayer.discovery": ({ discovery }) => discovery?.loaded.parameters,
  objectives: ({ objectives }) => objectives,
  modelRewrites: ({ modelRewrites }) => modelRewrites,
  signals: ({ signals }) => signals,
  health: ({ health, healthCheck }) => [health, healthCheck],
};

/** The sections of a shadow document that differ from the document in force, and have no effect in its shadow. */
export function differencesOf(shadow: Plan, inForce: Plan): readonly string[] {
  return Object.entries(sections)
    .filter(([, part]) => !isDeepStrictEqual(part(shadow), part(inForce)))
    .map(
      ([name]) =>
        `${name}: differs from the document in force, whose settings apply until this document replaces it`,
    );
}
