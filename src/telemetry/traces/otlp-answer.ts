import { ProtoReader } from "../../std/proto-reader.ts";
import { type SendResult, shownText } from "./span-sender.ts";

/** Fields of `ExportTraceServiceResponse` and its `ExportTracePartialSuccess`. */
const responseField = { partialSuccess: 1 };
const partialField = { rejectedSpans: 1, errorMessage: 2 };

/** Fields of `google.rpc.Status`, `Any`, `RetryInfo` and `Duration`. */
const statusField = { details: 3 };
const anyField = { typeUrl: 1, value: 2 };
const retryField = { delay: 1 };
const durationField = { seconds: 1, nanos: 2 };

const retryInfoType = "google.rpc.RetryInfo";

/** Reads the answer to a batch that was taken; one that cannot be read says nothing. */
export function acceptedBy(answer: Buffer): SendResult {
  let rejectedSpans = 0;
  let message = "";
  for (const partial of messagesIn(answer, responseField.partialSuccess)) {
    const reader = new ProtoReader(partial, 0, partial.length);
    while (reader.next()) {
      if (reader.isVarint(partialField.rejectedSpans)) rejectedSpans = Math.max(0, reader.varint());
      else if (reader.isBytes(partialField.errorMessage)) message = textIn(reader);
      else reader.skip();
    }
  }
  return { kind: "accepted", rejectedSpans, message: shownText(message) };
}

/** The delay of a `RetryInfo` in `grpc-status-details-bin`; undefined if there is none. */
export function retryDelayMsIn(details: string | undefined): number | undefined {
  if (details === undefined) return undefined;
  const status = Buffer.from(details, "base64");
  for (const any of messagesIn(status, statusField.details)) {
    const type = messagesIn(any, anyField.typeUrl)[0]?.toString();
    if (type?.endsWith(retryInfoType) !== true) continue;
    const info = messagesIn(any, anyField.value)[0];
    const delay = info && messagesIn(info, retryField.delay)[0];
    if (delay !== undefined) return durationMsOf(delay);
  }
  return undefined;
}

function durationMsOf(duration: Buffer): number {
  const reader = new ProtoReader(duration, 0, duration.length);
  let ms = 0;
  while (reader.next()) {
    if (reader.isVarint(durationField.seconds)) ms += reader.varint() * 1_000;
    else if (reader.isVarint(durationField.nanos)) ms += reader.varint() / 1_000_000;
    else reader.skip();
  }
  return Math.max(0, ms);
}

/** The values of a field of bytes, as far as the message can be read. */
function messagesIn(message: Buffer, field: number): readonly Buffer[] {
  const reader = new ProtoReader(message, 0, message.length);
  const found: Buffer[] = [];
  while (reader.next()) {
    if (reader.isBytes(field)) found.push(message.subarray(reader.valueStart, reader.valueEnd));
    else reader.skip();
  }
  return found;
}

function textIn({ bytes, valueStart, valueEnd }: ProtoReader): string {
  return bytes.toString("utf8", valueStart, valueEnd);
}
