import { type AdminServerOptions, jsonPage } from "../admin/admin-server.ts";
import type { RequestFollower } from "../core/request-follower.ts";
import type { RequestStudy } from "../core/request-study.ts";
import type { Build } from "./build-config.ts";
import { hitStudyOf } from "./hit-study.ts";
import type { Reconfigurable } from "./reconfigurable.ts";
import { type RecordingDeps, recordingOf, type RecordingOptions } from "./recording.ts";
import type { Shadow } from "./shadow/shadow.ts";

/** Parts that learn from requests and change nothing about them. */
export interface Studies {
  /** Look at each request as it leaves for an endpoint. */
  readonly studies: readonly RequestStudy[];
  /** Follow every request from its start, refused ones too. */
  readonly followers: readonly RequestFollower[];
  /** Pages of the admin port. */
  readonly pages: AdminServerOptions["pages"];
  /** Change over when another configuration comes into force. */
  readonly parts: readonly Reconfigurable<Build>[];
  /** Follows files. Resolves when `signal` has aborted. */
  follow(signal: AbortSignal): Promise<void>;
  /** Writes what is left to write. Resolves when everything is closed. */
  close(): Promise<void>;
}

interface StudyOptions {
  readonly recording?: RecordingOptions | undefined;
}

/** The studies of a gateway. `shadow`: undefined if it follows no shadow document. */
export async function studiesOf(
  options: StudyOptions,
  deps: RecordingDeps,
  shadow?: Shadow,
): Promise<Studies> {
  const recorder = options.recording && (await recordingOf(options.recording, deps));
  const hits = hitStudyOf(deps);
  return joined([
    { studies: [hits.study], pages: hits.pages },
    recorder && {
      studies: [recorder],
      followers: [recorder.follower],
      close: () => recorder.close(),
    },
    shadow && {
      studies: [shadow],
      followers: [shadow.arms],
      parts: [shadow.part],
      follow: (signal) => shadow.follow(signal),
    },
    { pages: { "/debug/shadow": () => jsonPage(shadow?.page() ?? { enabled: false }) } },
  ]);
}

const nothing = () => Promise.resolve();

function joined(all: readonly (Partial<Studies> | undefined)[]): Studies {
  const given = all.filter((each) => each !== undefined);
  return {
    studies: given.flatMap(({ studies = [] }) => studies),
    followers: given.flatMap(({ followers = [] }) => followers),
    pages: Object.assign({}, ...given.map(({ pages }) => pages)),
    parts: given.flatMap(({ parts = [] }) => parts),
    follow: async (signal) => {
      await Promise.all(given.map(({ follow = nothing }) => follow(signal)));
    },
    close: async () => {
      await Promise.all(given.map(({ close = nothing }) => close()));
    },
  };
}
