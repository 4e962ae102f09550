import type { RecordingOptions } from "../gateway/recording.ts";
import { UsageError } from "./command.ts";
import type { FlagTable, FlagValues } from "./flags.ts";

/** Bytes of a file that is worth having. */
const fileBytesMin = 64 * 1024;

/** Flags of `serve` and `gateway` for the recording of requests. */
export const recordingFlags = {
  record: {
    kind: "string",
    initial: "",
    help: "File for a recording of all requests, for pointsman replay: times, sizes, decisions and keyed hashes of prompt blocks, no text.",
  },
  "record-file-size": {
    kind: "bytes",
    initial: 256 * 1024 * 1024,
    help: "Size at which the file of --record is renamed to FILE.1, and another one begins.",
  },
  "record-files": {
    kind: "int",
    initial: 4,
    min: 1,
    max: 1_000,
    help: "Files of a recording that are kept.",
  },
} as const satisfies FlagTable;

export function recordingOptionsOf(
  values: FlagValues<typeof recordingFlags>,
): RecordingOptions | undefined {
  const { record, "record-files": filesMax } = values;
  const fileBytesMax = values["record-file-size"] ?? fileBytesMin;
  if (record === "") return undefined;
  if (fileBytesMax < fileBytesMin) {
    throw new UsageError(["--record-file-size: want 64KiB or more"]);
  }
  return { path: record, fileBytesMax, filesMax };
}
