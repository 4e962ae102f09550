import type { Clock } from "../../std/clock.ts";
import { reasonOf } from "../../std/reason-of.ts";
import { type KubeApi, KubeError } from "./kube-api.ts";

/** The object that an event is about. */
export interface EventSubject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface EventText {
  readonly type: "Normal" | "Warning";
  /** One word in CamelCase, for programs. */
  readonly reason: string;
  readonly message: string;
}

/** The API server refuses longer messages. */
const messageCharsMax = 1_024;

interface EventRecorderDeps {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: { info(fields: object, message: string): void };
}

/** Writes Kubernetes Events, which `kubectl describe` shows. */
export class EventRecorder {
  readonly #deps: EventRecorderDeps;
  readonly #instance: string;
  #isRefused = false;

  /** @param instance name of this process in its events */
  constructor(instance: string, deps: EventRecorderDeps) {
    this.#instance = instance;
    this.#deps = deps;
  }

  /** Writes one event. Never rejects: an event that cannot be written is only missing. */
  async record(subject: EventSubject, { type, reason, message }: EventText): Promise<void> {
    const { api, clock, log } = this.#deps;
    const { namespace, name } = subject;
    const atMs = clock.wallMs();
    const at = new Date(atMs).toISOString().replace(/\.\d+Z$/, "Z");
    const body = {
      apiVersion: "v1",
      kind: "Event",
      metadata: { namespace, name: `${name}.${Math.round(atMs * 1_000).toString(16)}` },
      involvedObject: subject,
      type,
      reason,
      message: cut(message),
      source: { component: "pointsman", host: this.#instance },
      reportingComponent: "pointsman",
      reportingInstance: this.#instance,
      firstTimestamp: at,
      lastTimestamp: at,
      count: 1,
    };
    try {
      await api.create({ path: `/api/v1/namespaces/${namespace}/events`, body });
    } catch (cause) {
      if (this.#isRefused) return;
      // Roles of other charts may not grant events; that is reported once and is harmless.
      this.#isRefused = cause instanceof KubeError && cause.httpStatus === 403;
      const why = reasonOf(cause);
      log.info({ reason, why }, "event not written");
    }
  }
}

function cut(message: string): string {
  return message.length <= messageCharsMax ? message : `${message.slice(0, messageCharsMax - 1)}…`;
}
