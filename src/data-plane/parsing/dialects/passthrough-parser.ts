import type { RequestParser } from "../parser.ts";

/**
 * Understands nothing. A request that no other parser knows is routed in any case, so this one
 * changes nothing beside others; alone, it leaves all bodies unread.
 */
export const passthroughParser: RequestParser = { type: "passthrough-parser", dialects: [] };
