import { z } from "zod";
import { declared } from "../../../core/plugin.ts";
import type { FileDiscoveryOptions } from "./file-discovery.ts";

const params = z.strictObject({
  path: z.string().min(1).meta({
    description: "The endpoints file: YAML or JSON, at most 1 MiB.",
    unit: "path, from the working directory",
  }),
  watchFile: z.boolean().default(false).meta({
    description: "Whether changes of the file change the pool while we run.",
    tune: "true to follow changes without a restart.",
  }),
});

/** Takes the pool from a file instead of a cluster. */
export const fileDiscoveryPlugin = declared({
  kinds: ["discovery"],
  type: "file-discovery",
  summary:
    "Takes the endpoints from a file. A file that is missing or wrong ends the picker at the start; later it leaves the last good list in use.",
  params,
  create: (options): FileDiscoveryOptions => options,
});
