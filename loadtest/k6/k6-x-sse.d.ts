/**
 * The part of the k6 extension xk6-sse that these scripts use. `open` blocks until the answer ends,
 * and calls `setup` once its head is there.
 */
declare module "k6/x/sse" {
  interface SseEvent {
    readonly id: string;
    readonly name: string;
    readonly data: string;
  }

  interface SseClient {
    on(event: "event", handler: (event: SseEvent) => void): void;
    on(event: "error", handler: (error: { error(): string }) => void): void;
    on(event: "open", handler: () => void): void;
    /** Reads the rest of the answer unseen, and ends. */
    close(): void;
  }

  interface SseParams {
    readonly method: string;
    readonly body: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly tags?: Readonly<Record<string, string>>;
  }

  interface SseResponse {
    /** 0 without a connection. */
    readonly status: number;
    readonly error: string;
  }

  const sse: {
    open(url: string, params: SseParams, setup: (client: SseClient) => void): SseResponse;
  };
  // The extension exports nothing else.
  // oxlint-disable-next-line import/no-default-export
  export default sse;
}
