import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { describe, expect, it } from "vitest";
import type { Outcome } from "../src/core/decision.ts";
import type { DecisionRecord } from "../src/core/decision-record.ts";
import { plugins } from "../src/gateway/plugins.ts";
import {
  runScenario,
  type Scenario,
  type ScenarioResult,
  scenariosIn,
} from "#test/support/scenario.ts";

const folder = "test/scenarios";
/** Cases that show a plugin at work, at least. */
const casesMin = 3;
const files = readdirSync(folder).filter((file) => file.endsWith(".yaml"));

describe.each(files)("%s", (file) => {
  it.each(scenariosIn(path.join(folder, file)))("$it", (scenario) => {
    const result = runScenario(scenario);
    expect(found(scenario, result.record)).toEqual(wantedOf(scenario));
    expect(answerOf(scenario, result)).toEqual(wantedAnswerOf(scenario));
  });
});

describe("the scenarios", () => {
  const used = files.flatMap((file) => {
    const cases = parse(readFileSync(path.join(folder, file), "utf8")) as Scenario[];
    return cases.map(({ config }) => JSON.stringify(config));
  });
  const deciding = plugins.filter(({ kinds }) =>
    kinds.some((kind) =>
      [
        "filter",
        "scorer",
        "picker",
        "profile-handler",
        "decider",
        "data-producer",
        "admitter",
        "request-writer",
        "saturation-detector",
        "response-handler",
      ].includes(kind),
    ),
  );
  it.each(deciding.map(({ type }) => type))(
    `show %s at work in ${casesMin} cases at least`,
    (type) => {
      const count = used.filter((config) => config.includes(`"${type}"`)).length;
      const advice = `${type} is in ${count} cases of ${folder}, and needs ${casesMin}: write ${folder}/${type}.yaml`;
      expect(count < casesMin ? advice : "").toBe("");
    },
  );
});

/** What a scenario expects of the answer; what it leaves out is not compared. */
function wantedAnswerOf({ expect: wanted }: Scenario) {
  return {
    refused: wanted.refused,
    pick: wanted.pick === undefined ? undefined : [wanted.pick].flat(),
    profile: wanted.profile,
    destination: wanted.destination,
    requestHeaders: wanted.requestHeaders,
    responseHeaders: wanted.responseHeaders,
    chosen: wanted.chosen,
    sentFields: wanted.sentFields,
    metadata: wanted.metadata,
  };
}

/** The same of a result, as far as the scenario asks. */
function answerOf({ expect: wanted }: Scenario, result: ScenarioResult) {
  const { outcome, responseHeaders, metadata } = result;
  const decision = outcome.kind === "routed" ? outcome.decision : undefined;
  const chosen = [...(decision?.chosen ?? [])].map(
    ([name, [first]]) => [name, first.name] as const,
  );
  return {
    refused: outcome.kind === "refused" ? outcome.refusal.code : undefined,
    pick: wanted.pick && decision?.targets.map(({ endpoint }) => endpoint.name),
    profile: wanted.profile && decision?.profile,
    destination: wanted.destination && decision?.targets.map(({ hostPort }) => hostPort).join(","),
    requestHeaders: askedFor(wanted.requestHeaders, decision?.targets[0].requestHeaders ?? []),
    responseHeaders: askedFor(wanted.responseHeaders, responseHeaders),
    chosen: askedFor(wanted.chosen, chosen),
    sentFields: fieldsIn(wanted.sentFields, outcome),
    metadata: wanted.metadata && shownMetadata(metadata),
  };
}

function shownMetadata(metadata: ScenarioResult["metadata"]) {
  return Object.fromEntries(
    [...(metadata ?? [])].map(([namespace, numbers]) => [namespace, Object.fromEntries(numbers)]),
  );
}

/** The same members of the body that is sent in place of the client's; none if the client's is sent. */
function fieldsIn(wanted: Scenario["expect"]["sentFields"], outcome: Outcome) {
  const body = outcome.kind === "routed" ? outcome.body : undefined;
  if (body === undefined) return {};
  const members: Record<string, unknown> = JSON.parse(Buffer.from(body).toString());
  return Object.fromEntries(Object.keys(wanted).map((name) => [name, members[name]]));
}

function askedFor(
  wanted: Readonly<Record<string, string>>,
  pairs: readonly (readonly [string, string])[],
) {
  return Object.fromEntries(pairs.filter(([name]) => Object.hasOwn(wanted, name)));
}

/** What a scenario expects of scores, totals and filters, rounded to six digits. */
function wantedOf({ expect: { scores, totals, kept } }: Scenario) {
  return { scores: rounded(scores), totals: rounded({ totals })["totals"], kept };
}

/** The same of a record, as far as the scenario asks. */
function found({ expect: wanted }: Scenario, record: DecisionRecord | undefined) {
  // The profile whose choice is the answer first: a scorer may work in several.
  const profiles = (record?.profiles ?? []).toSorted(
    (a, b) => Number(b.name === record?.profile) - Number(a.name === record?.profile),
  );
  const scoresOf = (scorer: string, endpoints: Readonly<Record<string, number>>) => {
    const profile = profiles.find(({ scorers }) => scorers.some(({ name }) => name === scorer));
    return Object.fromEntries(
      Object.keys(endpoints).map((name) => [
        name,
        profile?.totals?.find(({ endpoint }) => endpoint.endsWith(`/${name}`))?.scores[scorer],
      ]),
    );
  };
  const totals = Object.fromEntries(
    Object.keys(wanted.totals).map((name) => [
      name,
      profiles[0]?.totals?.find(({ endpoint }) => endpoint.endsWith(`/${name}`))?.total,
    ]),
  );
  const scores = Object.fromEntries(
    Object.entries(wanted.scores).map(([scorer, endpoints]) => [
      scorer,
      scoresOf(scorer, endpoints),
    ]),
  );
  const kept = Object.fromEntries(
    Object.keys(wanted.kept).map((filter) => [filter, keptBy(filter, record)]),
  );
  return { scores: rounded(scores), totals: rounded({ totals })["totals"], kept };
}

/** Names of the endpoints that were left after a filter. */
function keptBy(filter: string, record: DecisionRecord | undefined): readonly string[] | undefined {
  for (const profile of record?.profiles ?? []) {
    let left = (record?.candidates ?? []).map(({ endpoint }) => endpoint);
    for (const { name, dropped } of profile.filters) {
      left = left.filter((endpoint) => !dropped.includes(endpoint));
      if (name === filter) return left.map((id) => id.split("/")[1] ?? id);
    }
  }
  return undefined;
}

function rounded(scores: Readonly<Record<string, Readonly<Record<string, number | undefined>>>>) {
  return Object.fromEntries(
    Object.entries(scores).map(([scorer, endpoints]) => [
      scorer,
      Object.fromEntries(
        Object.entries(endpoints).map(([name, score]) => [
          name,
          score === undefined ? undefined : Math.round(score * 1e6) / 1e6,
        ]),
      ),
    ]),
  );
}
