import { type BodyHeaders, bodyKindOf, encodingOf } from "./body-kind.ts";
import { JsonModelNames, type ModelNames } from "./json-model-names.ts";
import { SseModelNames } from "./sse-model-names.ts";

/**
 * Restores the client's name of the model in a response body as it passes. All other bytes pass unchanged and without
 * delay: only a string that may be the target's name waits for its end.
 */
export interface ModelNameRestorer {
  /**
   * Takes the next bytes of the body, cut anywhere, and returns the bytes to send on. These may be `chunk` itself or a
   * view of it, so a caller that reuses the chunk has to copy them first.
   */
  push(chunk: Uint8Array): Uint8Array;
  /** Ends the body, whole or not. Returns the bytes still held back; a further call returns none. */
  end(): Uint8Array;
}

/**
 * A restorer for the body that the response headers announce. Undefined if there is no name to restore: bodies of this
 * kind have none at a known place, or the client named no model or the target. `compressed`: the body is compressed, so
 * a name cannot be changed as it passes.
 */
export function createModelNameRestorer({
  target,
  client,
  ...headers
}: BodyHeaders & ModelNames): ModelNameRestorer | "compressed" | undefined {
  const kind = bodyKindOf(headers);
  if (client === "" || client === target) return undefined;
  if (kind === "unread" || kind === "unsaid") return undefined;
  if (encodingOf(headers) !== "identity") return "compressed";
  switch (kind) {
    case "events":
      return new SseModelNames({ target, client });
    case "lines":
      return new SseModelNames({ target, client }, { isLines: true });
    case "json":
      return jsonRestorer({ target, client });
  }
}

function jsonRestorer(models: ModelNames): ModelNameRestorer {
  const names = new JsonModelNames(models);
  return {
    push(chunk) {
      names.start(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      names.read(0, chunk.byteLength);
      return names.finish();
    },
    end: () => names.end(),
  };
}
