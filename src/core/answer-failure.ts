/** The reason an engine's answer counts as an error. */
export interface AnswerFailure {
  /** Stable name of the error: `error_code` in metrics, `error` in the log. */
  readonly code: string;
  /** Only the engine's own failures count against its health. */
  readonly blame: "engine" | "client";
}

/** Of an event stream that ended before the completion marker that its API promises. */
export const truncatedCode = "answer_truncated";

/** The failure that a status alone shows; undefined for success and for an unknown status. */
export function failureOfStatus(httpStatus: number | undefined): AnswerFailure | undefined {
  if (httpStatus === undefined || (httpStatus >= 200 && httpStatus < 400)) return undefined;
  // The connection now speaks another protocol, as was asked.
  if (httpStatus === 101) return undefined;
  // 501 and 505 are about what the request asks for.
  const isEngines = httpStatus >= 500 && httpStatus !== 501 && httpStatus !== 505;
  return { code: `upstream_${httpStatus}`, blame: isEngines ? "engine" : "client" };
}
