import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../std/clock.ts";
import type { Random } from "../../std/random.ts";
import { type EngineSnapshot, idleSnapshot } from "../engine-contract.ts";
import { contextTokensMaxOf } from "../engine-options.ts";
import { EngineRunner } from "../engine-runner.ts";
import type { EngineSettings } from "../engine-settings.ts";
import { EngineStats, type FinishReason } from "../engine-stats.ts";
import { parseJsonRecord } from "../json.ts";
import { answerFormatOf, idPrefixes } from "./answer-formats.ts";
import { answerInference } from "./inference.ts";
import {
  errorShapeOf,
  type InferenceApi,
  type InferenceCall,
  parseCall,
  responseNotFound,
} from "./inference-call.ts";
import { Listener } from "./listener.ts";
import { metricsContentType, metricsPageOf } from "./metrics-page.ts";
import {
  type ErrorReply,
  pathOf,
  readBody,
  replyError,
  replyErrorLate,
  replyNothing,
  replyJson,
  sendStreamHead,
} from "./replies.ts";
import { ResponseStore } from "./response-store.ts";

/** Bytes of a request body; a larger one is answered with status 413. */
const bodyBytesMax = 64 * 1_024 * 1_024;

const garbagePage = 'vllm:num_requests_running{model_name="\u0000 NaN NaN\n<html>}}\n# TYPE\n';

export interface EngineDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** Receives one line for each event that an operator may want to know. */
  readonly log?: ((message: string) => void) | undefined;
}

export interface EngineIdentity {
  /** Value of `x-served-by`. */
  readonly name: string;
  /** The address to listen on. */
  readonly host: string;
  /** The base model. */
  readonly model: string;
  readonly adapters: readonly string[];
}

/** An engine as the admin endpoint shows it. */
export interface EngineState {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly settings: EngineSettings;
  readonly snapshot: EngineSnapshot;
  /** Inference requests that `hang` leaves without an answer and whose clients still wait. */
  readonly hangingRequests: number;
  readonly endedRequests: Readonly<Record<FinishReason, number>>;
}

interface Route {
  readonly method: "GET" | "POST";
  readonly answer: (
    server: EngineServer,
    request: IncomingMessage,
    response: ServerResponse,
  ) => void | Promise<void>;
}

const inference = (api: InferenceApi): Route => ({
  method: "POST",
  answer: (server, request, response) => server.infer(api, request, response),
});

const routes: ReadonlyMap<string, Route> = new Map([
  ["/v1/chat/completions", inference("chat")],
  ["/v1/completions", inference("completion")],
  ["/v1/embeddings", inference("embedding")],
  ["/v1/responses", inference("response")],
  ["/v1/messages", inference("message")],
  ["/v1/messages/count_tokens", inference("count")],
  ["/v1/models", { method: "GET", answer: (server, _, response) => server.listModels(response) }],
  ["/health", { method: "GET", answer: (server, _, response) => server.showHealth(response) }],
  ["/metrics", { method: "GET", answer: (server, _, response) => server.showMetrics(response) }],
]);

/** `/v1/responses/ID`, and `/v1/responses/ID/cancel`. */
const storedResponsePath = /^\/v1\/responses\/([^/]+)(\/cancel)?$/u;

/** One simulated engine on its own port. */
export class EngineServer {
  readonly #identity: EngineIdentity;
  readonly #deps: EngineDeps;
  readonly #runner: EngineRunner;
  readonly #listener: Listener;
  readonly #responses = new ResponseStore();
  #settings: EngineSettings;
  #port = 0;
  #answers = 0;
  #hangingRequests = 0;
  #frozenMetrics: string | undefined;
  #isClosed = false;
  /** Serializes opening and closing of the port. */
  #listening: Promise<void> = Promise.resolve();

  constructor(identity: EngineIdentity, settings: EngineSettings, deps: EngineDeps) {
    this.#identity = identity;
    this.#settings = settings;
    this.#deps = deps;
    this.#runner = new EngineRunner(settings, deps.clock);
    this.#listener = new Listener(identity.host, (request, response) => {
      void this.#answer(request, response);
    });
  }

  get name(): string {
    return this.#identity.name;
  }

  get address(): string {
    return this.#identity.host;
  }

  get port(): number {
    return this.#port;
  }

  get settings(): EngineSettings {
    return this.#settings;
  }

  /** Opens the port, 0 for any free one; rejects with a readable line if it cannot. */
  async open(port: number): Promise<void> {
    this.#port = await this.#listener.open(port);
    await this.#syncPort();
  }

  state(): EngineState {
    const { name, address, port, settings } = this;
    return {
      name,
      address,
      port,
      settings,
      snapshot: this.#runner.snapshot(),
      hangingRequests: this.#hangingRequests,
      endedRequests: this.#runner.stats.endedRequests(),
    };
  }

  /** Rejects only if the port cannot be opened again; everything else has then been applied. */
  async apply(settings: EngineSettings): Promise<void> {
    if (settings.staleMetrics && !this.#settings.staleMetrics) {
      this.#frozenMetrics = this.#metricsPage();
    }
    this.#settings = settings;
    this.#runner.reconfigure(settings);
    this.#deps.log?.(`${this.name}: settings changed`);
    await this.#syncPort();
  }

  /** Fails all requests and starts with a cold cache and zeroed counters. */
  restart(): void {
    this.#runner.restart();
    this.#responses.clear();
    this.#deps.log?.(`${this.name}: restarted`);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#runner.close();
    await this.#syncPort();
  }

  async infer(
    api: InferenceApi,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const body = await readBody(request, bodyBytesMax);
    if (body.kind === "aborted") return;
    if (this.#settings.hang) {
      if (this.#settings.earlyHead) sendStreamHead(response, body);
      return this.#leaveHanging(response);
    }
    if (this.#settings.reset) return void request.socket.resetAndDestroy();
    const refuse = (error: ErrorReply) => replyError(response, error, errorShapeOf(api));
    if (body.kind === "too-large") {
      response.setHeader("connection", "close");
      const message = `The request body exceeds ${bodyBytesMax} bytes.`;
      return refuse({ httpStatus: 413, message });
    }
    if (this.#deps.random() < this.#settings.errorRatio) {
      this.#runner.stats.ended("error");
      const { retryAfterSeconds } = this.#settings;
      if (retryAfterSeconds > 0) response.setHeader("retry-after", retryAfterSeconds);
      return refuse({ httpStatus: this.#settings.errorStatus, message: "Injected failure." });
    }
    const parsed = parseJsonRecord(body.text);
    if (parsed.kind === "invalid") return refuse({ httpStatus: 400, message: parsed.message });
    const { blockTokens, outputTokens } = this.#settings;
    const { model, adapters } = this.#identity;
    const storedResponse = (id: string) => this.#responses.get(id);
    const models = { model, adapters, blockTokens, outputTokens, storedResponse };
    const result = parseCall(api, parsed.record, models);
    if (result.kind === "refused") return refuse(result.error);
    this.#run(result.call, request, response);
  }

  #run(call: InferenceCall, request: IncomingMessage, response: ServerResponse): void {
    const { api, isStream, prompts } = call;
    if (api === "count") {
      return replyJson(response, 200, { input_tokens: prompts[0]?.promptTokens });
    }
    const { errorEventRatio, emptyRatio, dieAfterTokens, earlyHead } = this.#settings;
    if (emptyRatio > 0 && this.#deps.random() < emptyRatio) {
      this.#runner.stats.ended("error");
      return replyNothing(response, isStream);
    }
    if (errorEventRatio > 0 && this.#deps.random() < errorEventRatio) {
      this.#runner.stats.ended("error");
      const failure = { httpStatus: 500, message: "Injected failure." };
      return replyErrorLate(response, failure, { shape: errorShapeOf(api), isStream });
    }
    const head = { id: this.#answerIdOf(api, request), createdAtS: this.#wallS() };
    const format = answerFormatOf(call, head, (id, stored) => this.#responses.set(id, stored));
    answerInference({ call, format, runner: this.#runner, response, dieAfterTokens, earlyHead });
  }

  /** Shows a response that is stored, or answers that it can be cancelled no more. */
  #showResponse(id: string, isCancel: boolean, response: ServerResponse): void {
    const stored = this.#responses.get(id)?.response;
    if (stored === undefined) return replyError(response, responseNotFound(id));
    if (!isCancel) return replyJson(response, 200, stored);
    const message = "Cannot cancel a synchronous response.";
    replyError(response, { httpStatus: 400, message, param: "response_id" });
  }

  listModels(response: ServerResponse): void {
    const { model, adapters } = this.#identity;
    const max_model_len = contextTokensMaxOf(this.#settings);
    const models = [model, ...adapters].map((id) => ({
      id,
      object: "model",
      created: Math.floor(this.#runner.startedAtWallMs / 1_000),
      owned_by: "pointsman-sim",
      root: id,
      parent: id === model ? null : model,
      max_model_len,
    }));
    replyJson(response, 200, { object: "list", data: models });
  }

  showHealth(response: ServerResponse): void {
    if (this.#settings.hang) return;
    response.writeHead(200, { "content-length": 0 });
    response.end();
  }

  showMetrics(response: ServerResponse): void {
    const { metricsHang, metricsGarbage, metricsZeros, staleMetrics } = this.#settings;
    if (metricsHang) return;
    let page = metricsGarbage ? garbagePage : undefined;
    if (metricsZeros) page ??= this.#metricsPageWith(idleSnapshot, new EngineStats());
    if (staleMetrics) page ??= this.#frozenMetrics ??= this.#metricsPage();
    page ??= this.#metricsPage();
    response.writeHead(200, {
      "content-type": metricsContentType,
      "content-length": Buffer.byteLength(page),
    });
    response.end(page);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader("x-served-by", this.name);
    const requestId = request.headers["x-request-id"];
    if (typeof requestId === "string") response.setHeader("x-request-id", requestId);
    const path = pathOf(request.url);
    const route = routes.get(path);
    const [, storedId, cancel] = storedResponsePath.exec(path) ?? [];
    if (storedId !== undefined && request.method === (cancel === undefined ? "GET" : "POST")) {
      this.#showResponse(storedId, cancel !== undefined, response);
    } else if (route === undefined) {
      replyError(response, { httpStatus: 404, message: "Not Found" });
    } else if (request.method !== route.method) {
      response.setHeader("allow", route.method);
      replyError(response, { httpStatus: 405, message: `${path} takes ${route.method} only` });
    } else {
      await route.answer(this, request, response);
    }
  }

  /** Never answers a client, which counts as hanging until it leaves. */
  #leaveHanging(response: ServerResponse): void {
    // A client that left while its body was read has had its "close" already.
    if (response.socket?.destroyed !== false) return;
    this.#hangingRequests += 1;
    response.once("close", () => {
      this.#hangingRequests -= 1;
    });
  }

  /** In vLLM's format: the client's request id with the API's prefix, or an id of its own for what may be stored. */
  #answerIdOf(api: InferenceApi, request: IncomingMessage): string {
    this.#answers += 1;
    const requestId = request.headers["x-request-id"];
    const isOwn = api === "response" || typeof requestId !== "string";
    return `${idPrefixes[api]}${isOwn ? `${this.name}-${this.#answers}` : requestId}`;
  }

  #metricsPage(): string {
    return this.#metricsPageWith(this.#runner.snapshot(), this.#runner.stats);
  }

  #metricsPageWith(snapshot: EngineSnapshot, stats: EngineStats): string {
    const { loraSeriesMax } = this.#settings;
    const wallS = this.#deps.clock.wallMs() / 1_000;
    stats.adapterSets.show(snapshot.requestedAdapters, wallS, loraSeriesMax);
    return metricsPageOf({
      model: this.#identity.model,
      options: this.#settings,
      snapshot,
      stats,
      startedAtS: this.#runner.startedAtWallMs / 1_000,
    });
  }

  #wallS(): number {
    return Math.floor(this.#deps.clock.wallMs() / 1_000);
  }

  /** Opens or closes the port according to the settings. */
  #syncPort(): Promise<void> {
    const before = this.#listening;
    const sync = async () => {
      await before;
      const isWanted = !this.#settings.refuse && !this.#isClosed;
      if (isWanted && !this.#listener.isOpen) await this.#listener.open(this.#port);
      if (!isWanted) await this.#listener.close();
    };
    const next = sync();
    this.#listening = next.catch(() => undefined);
    return next;
  }
}
