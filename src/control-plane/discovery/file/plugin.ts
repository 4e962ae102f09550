import { z } from "zod";
import { declared } from "../../../core/plugin.ts";
import type { FileDiscoveryOptions } from "./file-discovery.ts";

const params = z.strictObject({
  /** The endpoints file. */
  path: z.string().min(1),
  /** Whether changes of the file change the pool while we run. */
  watchFile: z.boolean().default(false),
});

/** Takes the pool from a file instead of a cluster. */
export const fileDiscoveryPlugin = declared({
  kind: "discovery",
  type: "file-discovery",
  params,
  create: (options): FileDiscoveryOptions => options,
});
