/** Histogram buckets of the peer, so that its dashboards and alerts keep their resolution. */

/** Seconds: durations from 5 ms to an hour. */
export const durationBuckets = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45,
  60, 120, 180, 240, 300, 360, 480, 600, 900, 1_200, 1_800, 2_700, 3_600,
];

/** Seconds: time to the first token. */
export const ttftBuckets = durationBuckets.filter((bucket) => bucket <= 120);

/** Seconds: a scheduling decision. */
export const schedulerBuckets = [
  0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
];

/** Seconds: a prediction of latencies. */
export const predictionBuckets = [
  0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5,
];

/** Seconds per output token: predictions, which the peer buckets more widely than measurements. */
export const predictedTpotBuckets = [
  0.0005, 0.00205, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.125, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6,
  0.8, 1, 1.5, 2, 3, 4.5, 6, 12, 18, 24, 30, 36, 48, 60, 90, 120, 180, 270, 360,
];

/** Seconds per output token, over the whole request. */
export const ntpotBuckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];

/** Seconds per output token of a stream, after its first. */
export const tpotBuckets = [
  0.0005, 0.00205, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.125, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6,
  0.8, 1, 2,
];

/** Tokens; 32,778 is the peer's own number, kept so that the series stay comparable. */
export const tokenBuckets = [
  1, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_778, 65_536, 131_072,
  262_144, 524_288, 1_048_576,
];

/** Output tokens. */
export const outputTokenBuckets = tokenBuckets.filter((bucket) => bucket <= 8_192);

/** Bytes of a request: 64 to 1 GiB, doubling. */
export const requestByteBuckets = Array.from({ length: 25 }, (_, power) => 64 * 2 ** power);

/** Bytes of a response. */
export const responseByteBuckets = tokenBuckets.filter((bucket) => bucket <= 65_536);
