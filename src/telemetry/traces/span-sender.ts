/** The answer of a collector to a batch. */
export type SendResult =
  | {
      readonly kind: "accepted";
      /** Spans of the batch that the collector did not take. */
      readonly rejectedSpans: number;
      /** The collector's reason or advice; "" if it gave none. */
      readonly message: string;
    }
  /** The same batch may be sent again, after `afterMs` if the collector asks for that. */
  | { readonly kind: "retry"; readonly reason: string; readonly afterMs: number | undefined }
  /** The collector will not take this batch. */
  | { readonly kind: "refused"; readonly reason: string };

/** Sends batches to one collector. */
export interface SpanSender {
  /** Never rejects. Resolves within the time limit of the sender, and soon after `signal` aborts. */
  send(batch: Buffer, signal: AbortSignal): Promise<SendResult>;
  close(): void;
}

/** Bytes of a collector's answer that are read. */
export const answerBytesMax = 65_536;

/** A collector's text as it may stand in a log. */
export function shownText(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]+/gu, " ").slice(0, 200);
}
