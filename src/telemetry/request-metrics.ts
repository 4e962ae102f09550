import type { Registry } from "prom-client";
import type { Decision } from "../core/decision.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { RequestRecord } from "../core/request-record.ts";
import type { InferenceRequest } from "../core/request.ts";
import { LabelCap, labelValuesMax } from "./label-cap.ts";
import { type ModelLabels, requestFamiliesIn } from "./request-families.ts";

/** The fairness id of a request that names none. */
const defaultFairnessId = "default-flow";
const fairnessHeaders = ["x-llm-d-inference-fairness-id", "x-gateway-inference-fairness-id"];

/** The request families, under the peer's names, labels and buckets. */
export class RequestMetrics {
  readonly #models = new LabelCap();
  readonly #fairnessIds: LabelCap;
  /** The series of successful attempts, by endpoint id and model. */
  readonly #attempts = new Map<string, Map<string, Record<string, string>>>();
  readonly #families: ReturnType<typeof requestFamiliesIn>;

  /** `fairnessIdsMax`: distinct fairness ids that labels tell apart; with 0 none is. */
  constructor(registry: Registry, { fairnessIdsMax = labelValuesMax } = {}) {
    this.#fairnessIds = new LabelCap(fairnessIdsMax);
    this.#families = requestFamiliesIn(registry);
  }

  /** The request has an endpoint and runs. */
  routed(request: InferenceRequest, decision: Decision): void {
    const labels = this.#labelsOf(request);
    this.#families.total.inc(labels);
    this.#families.running.inc(labels);
    this.#families.requestBytes.observe(labels, request.bodyBytes);
    const [endpoint] = decision.endpoints;
    this.#attempted(endpoint, labels.target_model_name);
  }

  /** Drops the series of an endpoint that has gone: pools change for as long as a picker runs. */
  forget(endpoint: Endpoint): void {
    for (const labels of this.#attempts.get(endpoint.id)?.values() ?? []) {
      this.#families.schedulerAttempts.remove(labels);
    }
    this.#attempts.delete(endpoint.id);
  }

  ended(record: RequestRecord): void {
    const { schedulingMs } = record;
    if (schedulingMs !== undefined) this.#families.schedulerSeconds.observe(schedulingMs / 1_000);
    const labels = this.#labelsOf(record.request);
    const error = errorOf(record);
    if (error !== undefined) this.#families.errors.inc({ ...labels, error_code: error });
    if (record.decision !== undefined) this.#ranAndEnded(record, labels);
    else if (schedulingMs !== undefined) this.#unscheduled(labels.target_model_name);
  }

  #attempted(endpoint: Endpoint, model: string): void {
    let ofEndpoint = this.#attempts.get(endpoint.id);
    if (ofEndpoint === undefined) this.#attempts.set(endpoint.id, (ofEndpoint = new Map()));
    let labels = ofEndpoint.get(model);
    if (labels === undefined) {
      labels = {
        status: "success",
        target_model_name: model,
        endpoint_name: endpoint.name,
        namespace: endpoint.namespace,
        port: String(endpoint.port),
      };
      ofEndpoint.set(model, labels);
    }
    this.#families.schedulerAttempts.inc(labels);
  }

  #unscheduled(model: string): void {
    this.#families.schedulerAttempts.inc({
      status: "failure",
      target_model_name: model,
      endpoint_name: "",
      namespace: "",
      port: "",
    });
  }

  #ranAndEnded(record: RequestRecord, labels: ModelLabels): void {
    const families = this.#families;
    families.running.dec(labels);
    if (record.httpStatus === undefined) return;
    families.durationSeconds.observe(labels, (record.endedMs - record.startedMs) / 1_000);
    families.responseBytes.observe(labels, record.responseBytes);
    const isStreaming = record.request?.isStreaming === true;
    if (record.firstChunkMs !== undefined && isOk(record.httpStatus)) {
      families.ttftSeconds.observe(
        { ...labels, streaming: String(isStreaming) },
        (record.firstChunkMs - record.startedMs) / 1_000,
      );
    }
    if (record.usage !== undefined) this.#used(record, labels, isStreaming);
  }

  #used(record: RequestRecord, labels: ModelLabels, isStreaming: boolean): void {
    const { usage, startedMs, endedMs, firstChunkMs, lastChunkMs } = record;
    if (usage === undefined) return;
    const families = this.#families;
    families.inputTokens.observe(labels, usage.promptTokens);
    families.outputTokens.observe(labels, usage.outputTokens);
    if (usage.cachedTokens !== undefined) families.cachedTokens.observe(labels, usage.cachedTokens);
    if (usage.outputTokens > 0) {
      families.ntpotSeconds.observe(labels, (endedMs - startedMs) / 1_000 / usage.outputTokens);
    }
    // Tokens that arrived in one piece tell nothing about the time between them.
    if (!isStreaming || usage.outputTokens < 2 || record.responseChunks < 2) return;
    if (firstChunkMs === undefined || lastChunkMs === undefined) return;
    const seconds = (lastChunkMs - firstChunkMs) / 1_000;
    families.tpotSeconds.observe(labels, seconds / (usage.outputTokens - 1));
  }

  #labelsOf(request: InferenceRequest | undefined): ModelLabels {
    const fairnessId = fairnessHeaders
      .map((name) => request?.head.headers.get(name))
      .find((value) => value !== undefined && value !== "");
    return {
      model_name: this.#models.labelOf(request?.model ?? ""),
      target_model_name: this.#models.labelOf(request?.targetModel ?? ""),
      fairness_id: this.#fairnessIds.labelOf(fairnessId ?? defaultFairnessId),
      // The configuration says which priorities there are, so they are few.
      priority: String(request?.priority ?? 0),
    };
  }
}

/** The value of `error_code`, or undefined for a request that went well. */
function errorOf({ refusal, failure, end }: RequestRecord): string | undefined {
  if (refusal !== undefined) return refusal.code;
  if (failure !== undefined) return failure.code;
  return end === "aborted" ? "aborted" : undefined;
}

function isOk(httpStatus: number): boolean {
  return httpStatus >= 200 && httpStatus < 400;
}
