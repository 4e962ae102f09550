import { type EngineMapping, emptyMapping, family } from "./mapping.ts";

/**
 * Triton with any backend. It has no gauge of what runs: `nv_inference_exec_count` counts since the start,
 * and as a load it would grow for ever, so running requests are those that we have sent.
 */
export const triton: EngineMapping = {
  ...emptyMapping,
  name: "triton",
  waiting: [family("nv_inference_pending_request_count")],
};
