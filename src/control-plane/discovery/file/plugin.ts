import { z } from "zod";
import { declared } from "../../../core/plugin.ts";
import type { FileDiscoveryOptions } from "./file-discovery.ts";

const params = z.strictObject({
  path: z.string().min(1).meta({
    description: "The endpoints file: YAML or JSON, at most 1 MiB.",
    unit: "path, from the working directory",
  }),
  watchFile: z.boolean().default(false).meta({
    description: "Follows changes of the file without a restart.",
    tune: "Set to true if endpoints change while the picker runs.",
  }),
});

/** Takes the pool from a file instead of a cluster. */
export const fileDiscoveryPlugin = declared({
  kinds: ["discovery"],
  type: "file-discovery",
  summary:
    "Takes the endpoints from a file. If the file is missing or invalid at the start, the picker exits; later it keeps the last valid list.",
  params,
  create: (options): FileDiscoveryOptions => options,
});
