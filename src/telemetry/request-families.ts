import {
  durationBuckets,
  ntpotBuckets,
  outputTokenBuckets,
  requestByteBuckets,
  responseByteBuckets,
  tokenBuckets,
  tpotBuckets,
  ttftBuckets,
} from "./buckets.ts";
import {
  RowErrors,
  RowHistogram,
  type RowLayout,
  RowNumber,
  SplitHistogram,
} from "./row-families.ts";

const prefix = "llm_d_epp_";

/** The request families under the peer's names and buckets, each with its place in a label set. */
export function requestFamiliesIn(layout: RowLayout) {
  return {
    total: new RowNumber(
      {
        name: `${prefix}request_total`,
        help: "Requests that were routed to an endpoint.",
        type: "counter",
      },
      layout,
    ),
    errors: new RowErrors({
      name: `${prefix}request_error_total`,
      help: "Requests that failed, by reason.",
    }),
    ...timesIn(layout),
    ...sizesIn(layout),
    running: new RowNumber(
      {
        name: `${prefix}request_running`,
        help: "Requests in flight at an endpoint, as this picker counts them.",
        type: "gauge",
      },
      layout,
    ),
  };
}

/** Makes histograms that have their place in `layout`. */
function histogramsIn(layout: RowLayout) {
  return (name: string, help: string, buckets: readonly number[]) =>
    new RowHistogram({ name: `${prefix}${name}`, help, buckets }, layout);
}

function timesIn(layout: RowLayout) {
  const histogram = histogramsIn(layout);
  const ttft = {
    name: `${prefix}request_ttft_seconds`,
    help: "From the request's headers to the first generated token.",
    buckets: ttftBuckets,
  };
  return {
    durationSeconds: histogram(
      "request_duration_seconds",
      "From the request's headers to the response's end.",
      durationBuckets,
    ),
    ntpotSeconds: histogram(
      "request_ntpot_seconds",
      "Request duration per output token.",
      ntpotBuckets,
    ),
    tpotSeconds: histogram(
      "request_streaming_tpot_seconds",
      "Time per output token of streams, after their first.",
      tpotBuckets,
    ),
    ttftSeconds: new SplitHistogram(ttft, {
      true: new RowHistogram(ttft, layout, { streaming: "true" }),
      false: new RowHistogram(ttft, layout, { streaming: "false" }),
    }),
  };
}

function sizesIn(layout: RowLayout) {
  const histogram = histogramsIn(layout);
  return {
    requestBytes: histogram("request_size_bytes", "Size of request bodies.", requestByteBuckets),
    responseBytes: histogram(
      "response_size_bytes",
      "Size of response bodies.",
      responseByteBuckets,
    ),
    inputTokens: histogram(
      "request_input_tokens",
      "Prompt tokens, as the engine counted them.",
      tokenBuckets,
    ),
    outputTokens: histogram(
      "request_output_tokens",
      "Output tokens, as the engine counted them.",
      outputTokenBuckets,
    ),
    cachedTokens: histogram(
      "request_cached_tokens",
      "Prompt tokens that the engine found in its prefix cache.",
      tokenBuckets,
    ),
  };
}
