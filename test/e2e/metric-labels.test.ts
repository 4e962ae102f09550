import { expect, it } from "vitest";
import type { RigOptions } from "#test/support/rig.ts";
import { scriptedRigs } from "#test/support/rig-fixture.ts";

const rigs = scriptedRigs();

/** Posts a chat completion for each model, some at a time; the statuses. */
async function posted(url: string, models: readonly string[]): Promise<readonly number[]> {
  const statuses: number[] = [];
  const queue = models.values();
  const worker = async () => {
    for (const model of queue) {
      const response = await fetch(`${url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model, messages: [{ role: "user", content: "hi" }] }),
      });
      await response.text();
      statuses.push(response.status);
    }
  };
  await Promise.all(Array.from({ length: 64 }, worker));
  return statuses;
}

/** An engine that serves models whose names begin with `real`, and no other. */
async function aRig(options: Partial<RigOptions> = {}) {
  await rigs.startEngines(2, () => ({ body }, response) => {
    const { model } = JSON.parse(body.toString() || '{"model":""}') as { model: string };
    response.writeHead(model.startsWith("real") ? 200 : 404, {
      "content-type": "application/json",
    });
    response.end('{"usage":{"prompt_tokens":1,"completion_tokens":1}}');
  });
  return rigs.start(options);
}

it("real models have their labels after 1,100 invented ones that engines refused", async () => {
  const rig = await aRig();
  const before = await rig.metric("llm_d_epp_request_total");
  const invented = Array.from({ length: 1_100 }, (_, index) => `invented-${index}`);
  expect(new Set(await posted(rig.url, invented))).toEqual(new Set([404]));
  const real = Array.from({ length: 3 }, (_, index) => `real-${index}`);
  expect(await posted(rig.url, real)).toEqual([200, 200, 200]);
  const page = await rig.metricsPage();
  for (const model of real) {
    const labels = `model_name="${model}",target_model_name="${model}",fairness_id="default-flow",priority="0"`;
    expect(page).toContain(`llm_d_epp_request_total{${labels}} 1\n`);
    expect(page).toContain(`llm_d_epp_request_duration_seconds_count{${labels}} 1\n`);
  }
  expect(page).not.toContain("invented");
  expect(page).toMatch(/llm_d_epp_request_error_total\{model_name="other".*upstream_404"\} 1100\n/);
  expect(await rig.metric("llm_d_epp_request_total")).toBe(before + 1_103);
  expect(await rig.metric("llm_d_epp_request_running")).toBe(0);
}, 60_000);

it("names of the configuration have their labels in errors too, from the first request on", async () => {
  const rig = await aRig({
    apiVersion: "pointsman.dev/v1alpha1",
    scheduling:
      "modelRewrites: [{matches: [{model: {value: alias}}], targets: [{modelRewrite: missing}]}]\n",
  });
  expect(await posted(rig.url, ["alias", "invented"])).toEqual([404, 404]);
  const page = await rig.metricsPage();
  const errors = page.match(/^llm_d_epp_request_error_total\{.*\} \d+$/gm) ?? [];
  const models = errors.map(
    (line) => /model_name=".*?",target_model_name=".*?"/.exec(line)?.[0] ?? "",
  );
  expect(models.toSorted()).toEqual([
    'model_name="alias",target_model_name="missing"',
    'model_name="other",target_model_name="other"',
  ]);
});
