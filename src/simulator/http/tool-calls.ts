import { isRecord, type JsonRecord } from "../json.ts";

/** A call that an answer consists of. */
export interface ToolCall {
  readonly name: string;
  /** JSON. */
  readonly argumentsText: string;
}

/** A tool that the client offers. */
interface Tool {
  readonly name: string;
  /** JSON schema of the arguments. */
  readonly schema: unknown;
}

/** Characters of a piece of streamed arguments: the size of a token. */
const pieceCharacters = 4;

/** Levels of a schema that are filled in. */
const depthMax = 8;

/**
 * The call with which a simulated engine answers; undefined to answer with text. It calls the tool that the client names, or the
 * first one. If the client leaves the choice to the model, a tool's result is answered with text, so that loops of agents end.
 */
export function toolCallFor(body: JsonRecord, endsWithResult: boolean): ToolCall | undefined {
  const tools = toolsIn(body["tools"]);
  const choice = choiceIn(body["tool_choice"]);
  if (choice === "none" || (choice === "auto" && endsWithResult)) return undefined;
  const named = typeof choice === "object" ? choice.name : undefined;
  const tool = tools.find(({ name }) => named === undefined || name === named);
  if (tool === undefined) return undefined;
  return { name: tool.name, argumentsText: JSON.stringify(valueFor(tool.schema, 0)) };
}

/** The arguments in the pieces in which tokens carry them; the name is a token of its own before them. */
export function argumentPiecesOf({ argumentsText }: ToolCall): readonly string[] {
  const characters = Array.from(argumentsText);
  const pieces: string[] = [];
  for (let start = 0; start < characters.length; start += pieceCharacters) {
    pieces.push(characters.slice(start, start + pieceCharacters).join(""));
  }
  return pieces;
}

/** The tools of a chat (`function`), of a response (`parameters`) or of a message (`input_schema`). */
function toolsIn(value: unknown): readonly Tool[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((tool: unknown) => {
    const holder = isRecord(tool) && isRecord(tool["function"]) ? tool["function"] : tool;
    if (!isRecord(holder) || typeof holder["name"] !== "string") return [];
    return [{ name: holder["name"], schema: holder["parameters"] ?? holder["input_schema"] }];
  });
}

type Choice = "none" | "auto" | "any" | { readonly name: string };

function choiceIn(value: unknown): Choice {
  const type = isRecord(value) ? value["type"] : value;
  if (type === "none") return "none";
  if (type === "required" || type === "any") return "any";
  const holder = isRecord(value) && isRecord(value["function"]) ? value["function"] : value;
  return isRecord(holder) && typeof holder["name"] === "string" ? { name: holder["name"] } : "auto";
}

/** A value that fits a schema, with the required members of objects. */
function valueFor(schema: unknown, depth: number): unknown {
  if (!isRecord(schema) || depth > depthMax) return {};
  if ("const" in schema) return schema["const"];
  const values: unknown = schema["enum"];
  if (Array.isArray(values) && values.length > 0) return values[0];
  const type: unknown = Array.isArray(schema["type"]) ? schema["type"][0] : schema["type"];
  switch (type) {
    case "string":
      return "signal";
    case "integer":
    case "number":
      return 1;
    case "boolean":
      return true;
    case "array":
      return [];
    case "null":
      return null;
    default:
      return objectFor(schema, depth);
  }
}

function objectFor(schema: JsonRecord, depth: number): unknown {
  const { properties, required } = schema;
  if (!isRecord(properties) || !Array.isArray(required)) return {};
  const names = required.filter((name: unknown): name is string => typeof name === "string");
  return Object.fromEntries(names.map((name) => [name, valueFor(properties[name], depth + 1)]));
}
