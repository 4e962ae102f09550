import { describe, expect, it } from "vitest";
import { poolsModels } from "./model-requests.ts";

describe("lists of models", () => {
  it("are kept apart by every header in which clients send keys", async () => {
    const credentials: (string | undefined)[] = [];
    const models = {
      ask: (_headers?: readonly string[], credential?: string) => {
        credentials.push(credential);
        return Promise.resolve([]);
      },
    };
    for (const name of ["authorization", "x-api-key", "api-key"]) {
      for (const key of ["one", "two"]) {
        const head = { headers: new Map([[name, key]]), sentTo: () => [] };
        await poolsModels(undefined, head, { models, shows: undefined });
      }
    }
    expect(new Set(credentials).size).toBe(6);
  });
});
