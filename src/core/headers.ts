import type { HeaderValues } from "./request.ts";

/**
 * A header of requests or responses that the picker reads or sets.
 *
 * `setBy` is the side that may set it. A request header that only `pointsman` may set is removed from a client's
 * request, because it tells an engine or its sidecar where to connect.
 */
export interface HeaderRow {
  /** In lower case. */
  readonly name: string;
  /** Read if the header itself is missing or empty. */
  readonly olderName?: string;
  readonly direction: "request" | "response";
  readonly setBy: "client" | "pointsman";
  /** For docs/headers.md. */
  readonly meaning: string;
}

/** Every header of requests and responses that the picker reads or sets, except those of HTTP itself. */
export const headerTable = {
  destination: {
    name: "x-gateway-destination-endpoint",
    direction: "request",
    setBy: "pointsman",
    meaning: "Endpoints to send the request to, best first: `ip:port`, separated by commas.",
  },
  objective: {
    name: "x-llm-d-inference-objective",
    olderName: "x-gateway-inference-objective",
    direction: "request",
    setBy: "client",
    meaning: "Name of the objective, which gives the request its priority.",
  },
  fairnessId: {
    name: "x-llm-d-inference-fairness-id",
    olderName: "x-gateway-inference-fairness-id",
    direction: "request",
    setBy: "client",
    meaning: "Tenant or user of the request, for metrics and endpoint health.",
  },
  inferenceTtl: {
    name: "x-llm-d-inference-ttl",
    direction: "request",
    setBy: "client",
    meaning: "Maximum wait for a turn, such as `5s`. It can only shorten the configured one.",
  },
  modelRewrite: {
    name: "x-llm-d-model-name-rewrite",
    olderName: "x-gateway-model-name-rewrite",
    direction: "request",
    setBy: "client",
    meaning: "Model that the engine is asked for; takes precedence over rewrite rules.",
  },
  sessionId: {
    name: "x-session-id",
    direction: "request",
    setBy: "client",
    meaning: "Session of the request, for plugins that send a session to one endpoint.",
  },
  codexThread: {
    name: "thread-id",
    direction: "request",
    setBy: "client",
    meaning: "Thread of Codex CLI: its conversation, or that of one of its agents.",
  },
  claudeCodeSession: {
    name: "x-claude-code-session-id",
    direction: "request",
    setBy: "client",
    meaning: "Session of Claude Code from 2.1.86 on.",
  },
  claudeCodeAgent: {
    name: "x-claude-code-agent-id",
    direction: "request",
    setBy: "client",
    meaning: "Agent within a session of Claude Code, which has its own conversation.",
  },
  openCodeSession: {
    name: "x-opencode-session",
    direction: "request",
    setBy: "client",
    meaning: "Session of OpenCode, and of clients that follow it.",
  },
  plainSession: {
    name: "session-id",
    olderName: "session_id",
    direction: "request",
    setBy: "client",
    meaning: "Session of Codex CLI; the older name is that of its older versions.",
  },
  sessionAffinity: {
    name: "x-session-affinity",
    direction: "request",
    setBy: "client",
    meaning: "Session of OpenCode and Crush, which send it with `x-session-id`.",
  },
  conversationId: {
    name: "x-conversation-id",
    olderName: "conversation_id",
    direction: "request",
    setBy: "client",
    meaning: "Conversation; the older name is that of older versions of Codex CLI.",
  },
  openWebUiChat: {
    name: "x-openwebui-chat-id",
    direction: "request",
    setBy: "client",
    meaning: "Chat of Open WebUI, if it forwards information about users.",
  },
  kiloCodeTask: {
    name: "x-kilocode-taskid",
    direction: "request",
    setBy: "client",
    meaning: "Task of Kilo Code.",
  },
  liteLlmSession: {
    name: "x-litellm-session-id",
    direction: "request",
    setBy: "client",
    meaning: "Session of a client of LiteLLM.",
  },
  sessionToken: {
    name: "x-session-token",
    direction: "request",
    setBy: "client",
    meaning: "Encoded endpoint of an earlier response, which the client sends back.",
  },
  sloTtft: {
    name: "x-llm-d-slo-ttft-ms",
    olderName: "x-slo-ttft-ms",
    direction: "request",
    setBy: "client",
    meaning: "Maximum time to the first token that the client accepts, in milliseconds.",
  },
  sloTpot: {
    name: "x-llm-d-slo-tpot-ms",
    olderName: "x-slo-tpot-ms",
    direction: "request",
    setBy: "client",
    meaning: "Maximum time per further token that the client accepts, in milliseconds.",
  },
  videoFps: {
    name: "x-llm-d-video-fps",
    direction: "request",
    setBy: "client",
    meaning: "Frames per second of the request's videos, for the estimate of their tokens.",
  },
  videoSeconds: {
    name: "x-llm-d-video-duration-seconds",
    direction: "request",
    setBy: "client",
    meaning: "Length of the request's videos in seconds.",
  },
  videoResolution: {
    name: "x-llm-d-video-resolution",
    direction: "request",
    setBy: "client",
    meaning: "Resolution of the request's videos.",
  },
  forwardedHost: {
    name: "x-forwarded-host",
    direction: "request",
    setBy: "client",
    meaning:
      "Host that the client addressed. `pointsman gateway` sets it, unless it trusts the client's.",
  },
  forwardedProto: {
    name: "x-forwarded-proto",
    direction: "request",
    setBy: "client",
    meaning:
      "`http` or `https`, as the client connected. `pointsman gateway` sets it, unless it trusts the client's.",
  },
  debug: {
    name: "x-pointsman-debug",
    direction: "request",
    setBy: "client",
    meaning: "`true` asks for `x-pointsman-decision`, if the configuration allows it.",
  },
  decision: {
    name: "x-pointsman-decision",
    direction: "response",
    setBy: "pointsman",
    meaning: "Id of the decision about the request, for `/debug/decisions`.",
  },
  droppedReason: {
    name: "x-llm-d-request-dropped-reason",
    direction: "response",
    setBy: "pointsman",
    meaning: "Reason that a request was refused for lack of endpoints or capacity.",
  },
  conformanceServed: {
    name: "x-conformance-test-served-endpoint",
    direction: "response",
    setBy: "pointsman",
    meaning: "Endpoint that served; only with the plugin for conformance tests.",
  },
  prefiller: {
    name: "x-prefiller-host-port",
    direction: "request",
    setBy: "pointsman",
    meaning:
      "Engines that prefill for the decode engine, best first: `ip:port`, separated by commas.",
  },
  encoders: {
    name: "x-encoder-hosts-ports",
    direction: "request",
    setBy: "pointsman",
    meaning: "Engines that encode images, audio and video for the decode engine.",
  },
  kvCacheSource: {
    name: "x-kv-cache-source-host-port",
    direction: "request",
    setBy: "pointsman",
    meaning: "Engine that already holds the prompt's KV cache. Pointsman does not set it yet.",
  },
  dataParallelRank: {
    name: "x-data-parallel-host-port",
    direction: "request",
    setBy: "pointsman",
    meaning: "Data-parallel rank that was chosen, if several share one address.",
  },
} as const satisfies Record<string, HeaderRow>;

/** Names of request headers that no client may set, in lower case. */
export const pickersHeaders: readonly string[] = Object.values<HeaderRow>(headerTable)
  .filter(({ direction, setBy }) => direction === "request" && setBy === "pointsman")
  .map(({ name }) => name);

/** Headers in which clients name a conversation; the first that a request has counts. */
export const sessionHeaders: readonly HeaderRow[] = [
  headerTable.sessionId,
  headerTable.codexThread,
  headerTable.claudeCodeSession,
  headerTable.openCodeSession,
  headerTable.plainSession,
  headerTable.sessionAffinity,
  headerTable.conversationId,
  headerTable.openWebUiChat,
  headerTable.kiloCodeTask,
  headerTable.liteLlmSession,
];

/** The value of a header, or of its older name if it is missing or empty; undefined if both are. */
export function valueOf(values: HeaderValues, row: HeaderRow): string | undefined {
  const value = values.get(row.name);
  if (value !== undefined && value !== "") return value;
  const older = row.olderName === undefined ? undefined : values.get(row.olderName);
  return older === "" ? undefined : older;
}
