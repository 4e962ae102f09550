import type { RequestParser } from "../parser.ts";

/**
 * Reads nothing. A request that no parser knows is routed in any case, so this one has no effect next to others; alone,
 * it leaves all bodies unread.
 */
export const passthroughParser: RequestParser = { type: "passthrough-parser", dialects: [] };
