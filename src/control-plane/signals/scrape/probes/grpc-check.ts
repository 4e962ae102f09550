import { Client, type ChannelCredentials, credentials } from "@grpc/grpc-js";
import { service } from "grpc-health-check";
import { systemClock } from "../../../../std/clock.ts";
import type { SecuredAccess } from "../scrape-access.ts";
import type { Scraped } from "../scrape-once.ts";

interface GrpcCheckOptions {
  /** `ip:port` */
  readonly target: string;
  /** Undefined for a port without TLS. */
  readonly secured?: SecuredAccess | undefined;
  /** The service to ask for; empty for the server as a whole. */
  readonly serviceName: string;
  readonly timeoutMs: number;
}

/** Asks a server's standard gRPC health service over one connection. */
export class GrpcCheck {
  readonly #options: GrpcCheckOptions;
  readonly #client: Client;

  constructor(options: GrpcCheckOptions) {
    this.#options = options;
    const { target, secured } = options;
    const name = secured?.serverName;
    const override = name === undefined ? {} : { "grpc.ssl_target_name_override": name };
    this.#client = new Client(target, credentialsOf(secured), override);
  }

  /** Succeeds if the server answers SERVING in time. Never rejects. */
  ask(signal: AbortSignal): Promise<Scraped<true>> {
    const { serviceName, timeoutMs } = this.#options;
    const method = service["Check"];
    if (method === undefined) throw new Error("the health service has a method Check");
    const { path, requestSerialize, responseDeserialize } = method;
    return new Promise((resolve) => {
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        { service: serviceName },
        { deadline: systemClock.wallMs() + timeoutMs },
        (error: Error | null, answer?: { readonly status?: string }) => {
          signal.removeEventListener("abort", cancel);
          if (signal.aborted) return resolve({ kind: "stopped" });
          const reason = error?.message ?? `status ${answer?.status ?? "unknown"}`;
          const isServing = error === null && answer?.status === "SERVING";
          resolve(
            isServing
              ? { kind: "read", parsed: true, bytes: 0 }
              : { kind: "failed", failure: "status", reason, bytes: 0 },
          );
        },
      );
      const cancel = () => call.cancel();
      signal.addEventListener("abort", cancel, { once: true });
    });
  }

  close(): void {
    this.#client.close();
  }
}

function credentialsOf(secured: SecuredAccess | undefined): ChannelCredentials {
  if (secured === undefined) return credentials.createInsecure();
  const { context, verifies: rejectUnauthorized } = secured;
  return credentials.createFromSecureContext(context, { rejectUnauthorized });
}
