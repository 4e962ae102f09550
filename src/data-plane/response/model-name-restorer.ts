import { type BodyHeaders, bodyKindOf, encodingOf } from "./body-kind.ts";
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
 * A restorer for the body that the response headers announce; undefined where no name has to be put
 * back: the body holds none that is known, or the client named no model, or this one. `compressed`: a
 * name cannot be changed as the body passes.
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
