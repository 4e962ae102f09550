import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readRecording } from "./recording.ts";

let folder = "";
beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), "pointsman-recording-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const header = (startedAt = "2026-01-01T00:00:00.000Z", version = 1) => ({
  format: "pointsman-recording",
  version,
  startedAt,
  pointsman: "0.1.0",
});
const state = (atMs: number, document: object, endpoint = "default/e0") => ({
  state: { atMs, document, endpoints: [{ endpoint, blockTokens: 16, kvBlocks: 100 }] },
});
const request = (atMs: number) => ({ atMs, endedMs: 5, end: "complete", promptTokens: 10 });

function write(lines: readonly (object | string)[], name = "rec.jsonl"): string {
  const file = path.join(folder, name);
  const texts = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)));
  writeFileSync(file, `${texts.join("\n")}\n`);
  return file;
}

describe("reading a recording", () => {
  it("sorts requests by arrival and has the last pool and document", async () => {
    const file = write([
      header(),
      state(0, { hash: "a", text: "first" }),
      request(30),
      request(10),
      state(40, { hash: "b", text: "second" }),
      state(50, { hash: "a" }, "default/e9"),
    ]);
    const recording = await readRecording(file);
    expect(recording.requests.map(({ atMs }) => atMs)).toEqual([10, 30]);
    expect(recording.document).toBe("first");
    expect(recording.documents).toBe(2);
    expect(recording.endpoints.map(({ endpoint }) => endpoint)).toEqual(["default/e9"]);
  });

  it("joins rotated files of one recording, and stops at another one", async () => {
    const later = [header(), state(90, { hash: "a", text: "now" }), request(100)];
    const file = write(later);
    write([header(), state(0, { hash: "a", text: "now" }), request(1)], "rec.jsonl.1");
    write([header("2025-01-01T00:00:00.000Z"), request(2)], "rec.jsonl.2");
    write([header(), request(3)], "rec.jsonl.3");
    const { requests } = await readRecording(file);
    expect(requests.map(({ atMs }) => atMs)).toEqual([1, 100]);
  });

  it("passes over lines that are cut off or wrong, and counts them", async () => {
    const wrong = [
      '{"atMs":1,"ended',
      "[]",
      "null",
      { ...request(1), promptTokens: "many" },
      { ...request(1), blockTokens: 64, blocks: ["abc"] },
      { ...request(1), blocks: ["12345678"] },
      { ...request(1), blocks: "12345678", blockTokens: 64 },
      { atMs: 1, end: "complete" },
      { state: { atMs: 0, document: {}, endpoints: [] } },
      { state: { atMs: 0, document: { hash: "c" }, endpoints: [{}] } },
    ];
    const lines = [header(), state(0, { hash: "a", text: "x" }), request(5)];
    const recording = await readRecording(write([...lines, ...wrong]));
    expect(recording.requests).toHaveLength(1);
    expect(recording.unreadable).toBe(wrong.length);
  });

  it.each([
    ["an empty file", [""], "is no recording"],
    ["another file", ["my thesis"], "is no recording"],
    ["a later version", [header(undefined, 2)], "version 2; this program reads 1"],
    ["no state", [header(), request(1)], "no line with the pool"],
    ["no text of the document", [header(), state(0, { hash: "a" }), request(1)], "no line with"],
    ["no requests", [header(), state(0, { hash: "a", text: "x" })], "has no requests"],
    [
      "an empty pool",
      [
        header(),
        { state: { atMs: 0, document: { hash: "a", text: "x" }, endpoints: [] } },
        request(1),
      ],
      "the pool was empty",
    ],
  ])("refuses %s", async (_, lines, message) => {
    await expect(readRecording(write(lines))).rejects.toThrow(message);
  });
});
