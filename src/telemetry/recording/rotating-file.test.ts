import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { recordingFormat } from "./lines.ts";
import { refuseOther, RotatingFile } from "./rotating-file.ts";

let folder = "";
beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), "pointsman-recording-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const header = `{"format":"${recordingFormat}"}\n`;
const bytesOf = (text: string) => Buffer.from(text);
const file = () => path.join(folder, "rec.jsonl");

describe("a rotating file", () => {
  it("keeps the newest files, each with a header, and no more of them than allowed", async () => {
    const rotating = new RotatingFile({ path: file(), fileBytesMax: 100, filesMax: 3 });
    for (let line = 0; line < 20; line += 1) {
      const first = bytesOf(rotating.isNew ? header : "");
      await rotating.write(first, bytesOf(`line ${line} ${"-".repeat(30)}\n`));
    }
    await rotating.close();
    expect(readdirSync(folder).toSorted()).toEqual(["rec.jsonl", "rec.jsonl.1", "rec.jsonl.2"]);
    const texts = ["rec.jsonl.2", "rec.jsonl.1", "rec.jsonl"].map((name) =>
      readFileSync(path.join(folder, name), "utf8"),
    );
    for (const text of texts) expect(text.startsWith(header)).toBe(true);
    const numbers = [...texts.join("").matchAll(/^line (\d+)/gm)].map(([, number]) =>
      Number(number),
    );
    expect(numbers).toEqual(Array.from(numbers, (_, index) => 20 - numbers.length + index));
    expect(numbers.length).toBeGreaterThan(4);
  });

  it("keeps the recording of an earlier process as the file before", async () => {
    writeFileSync(file(), header);
    const rotating = new RotatingFile({ path: file(), fileBytesMax: 100, filesMax: 2 });
    await rotating.write(bytesOf("new\n"));
    await rotating.close();
    expect(readFileSync(`${file()}.1`, "utf8")).toBe(header);
    expect(readFileSync(file(), "utf8")).toBe("new\n");
  });

  it("with one file, begins it anew", async () => {
    const rotating = new RotatingFile({ path: file(), fileBytesMax: 5, filesMax: 1 });
    await rotating.write(bytesOf(header));
    await rotating.write(bytesOf("second\n"));
    await rotating.close();
    expect(readdirSync(folder)).toEqual(["rec.jsonl"]);
    expect(readFileSync(file(), "utf8")).toBe("second\n");
  });

  it("is readable by its owner only", async () => {
    const rotating = new RotatingFile({ path: file(), fileBytesMax: 100, filesMax: 2 });
    await rotating.write(bytesOf(header));
    await rotating.close();
    expect(statSync(file()).mode & 0o777).toBe(0o600);
  });

  it("begins a line after a write that broke off within one", async () => {
    const rotating = new RotatingFile({ path: file(), fileBytesMax: 1_000, filesMax: 2 });
    await rotating.write(bytesOf(header));
    // A piece that cannot be written, after one that was.
    const broken = new Proxy(bytesOf("x"), { getPrototypeOf: () => Object.prototype });
    await expect(rotating.write(bytesOf("half a li"), broken)).rejects.toThrow(/typed array/);
    expect(await rotating.write(bytesOf("a line\n"))).toBe(8);
    await rotating.close();
    expect(readFileSync(file(), "utf8")).toBe(`${header}half a li\na line\n`);
  });

  it("touches no file that is no recording", async () => {
    writeFileSync(file(), "my thesis");
    await expect(refuseOther(file())).rejects.toThrow("is no recording");
    const rotating = new RotatingFile({ path: file(), fileBytesMax: 100, filesMax: 2 });
    await expect(rotating.write(bytesOf(header))).rejects.toThrow("is no recording");
    expect(readFileSync(file(), "utf8")).toBe("my thesis");
    await expect(refuseOther(folder)).rejects.toThrow("EISDIR");
  });
});
