/** Counts of the fuzzed process after a garbage collection. */
export interface Held {
  /** Frames whose heads were read since the start. */
  readonly frames: number;
  /** Streams of ext_proc since the start, and those that are open. */
  readonly streams: number;
  readonly openStreams: number;
  readonly openRequests: number;
  readonly connections: number;
  /** Handles and requests of the event loop. */
  readonly handles: number;
  readonly heapMb: number;
  readonly externalMb: number;
  readonly rssMb: number;
}
