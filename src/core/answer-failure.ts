/** The reason an engine's answer counts as an error. */
export interface AnswerFailure {
  /** Stable name of the error: `error_code` in metrics, `error` in the log. */
  readonly code: string;
  /** Only the engine's own failures count against its health. */
  readonly blame: "engine" | "client";
}

/** Code of an event stream that ended without the completion marker of its API. */
export const truncatedCode = "answer_truncated";

/** Code of a whole answer of status 200 to an inference request that has no byte. */
export const emptyCode = "answer_empty";

/** The failure that the status alone shows; undefined for a success and if the status is unknown. */
export function failureOfStatus(httpStatus: number | undefined): AnswerFailure | undefined {
  if (httpStatus === undefined || (httpStatus >= 200 && httpStatus < 400)) return undefined;
  // The client asked for another protocol, and the connection now speaks it.
  if (httpStatus === 101) return undefined;
  // 501 and 505 say that the request asks for something unsupported.
  const isEngines = httpStatus >= 500 && httpStatus !== 501 && httpStatus !== 505;
  return { code: `upstream_${httpStatus}`, blame: isEngines ? "engine" : "client" };
}
