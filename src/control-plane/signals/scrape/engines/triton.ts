import { type EngineMapping, emptyMapping, family } from "./mapping.ts";

/**
 * Triton with any backend. It has no gauge of running requests: `nv_inference_exec_count` is a
 * counter and would grow for ever as a load. So running requests are those that we have sent.
 */
export const triton: EngineMapping = {
  ...emptyMapping,
  name: "triton",
  waiting: [family("nv_inference_pending_request_count")],
};
