import { type BodyHeaders, bodyKindOf } from "./body-kind.ts";
import { JsonModelNames, type ModelNames } from "./json-model-names.ts";
import { SseModelNames } from "./sse-model-names.ts";

/**
 * Puts the name that the client used for the model back into a response body as it passes. Every
 * other byte goes on as it came, and at once: only a name that may be the target's waits for its end.
 */
export interface ModelNameRestorer {
  /**
   * The bytes that can go on after the body's next ones, cut anywhere. They may be `chunk` itself
   * or lie in it: who reuses the chunk copies them first.
   */
  push(chunk: Uint8Array): Uint8Array;
  /** The bytes still held back, when the body is over, whole or not; nothing when asked again. */
  end(): Uint8Array;
}

/**
 * A restorer for the body that the response headers announce; undefined where no name can be put
 * back: the body is not read, or the client named no model, or this one.
 */
export function createModelNameRestorer({
  target,
  client,
  ...headers
}: BodyHeaders & ModelNames): ModelNameRestorer | undefined {
  if (client === "" || client === target) return undefined;
  switch (bodyKindOf(headers)) {
    case "events":
      return new SseModelNames({ target, client });
    case "json":
      return jsonRestorer({ target, client });
    case "unread":
      return undefined;
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
